//! How common each byte is in most files: the basis of the first guess of rare bytes.

/// The highest rank of bytes that are not used in texts.
pub(super) const NOT_TEXT: u8 = 20;

/// Letters by their frequency in English, digits, spaces, zeros; the higher the more common.
pub(super) const RANK: [u8; 256] = {
    let mut table = [10; 256];
    let mut byte = 128;
    while byte < 256 {
        table[byte] = NOT_TEXT;
        byte += 1;
    }
    // From the rarest to the most common, among the bytes of texts.
    let order =
        b"~^`\\|@#$%&*?!{}[]<>+ZQXJKVYWGBUFHMPLRDNCOSITEA;='()zqj98765x43210k-_/:,.v\"wybgpfmucdlhrnsioate\n \0";
    let mut index = 0;
    while index < order.len() {
        table[order[index] as usize] = 30 + 2 * index as u8;
        index += 1;
    }
    table[255] = 200;
    table
};
