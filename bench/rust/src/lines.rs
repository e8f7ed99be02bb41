//! Lines beside bstr's, on the slice that memmap2 gives of the same file.

use std::hint::black_box;

use bstr::ByteSlice;

use crate::operations::Text;
use crate::pairs::{Report, repeat};

pub fn run(report: &mut Report, text: &Text) {
    if !report.group("lines of 64 MiB") {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    let expected = theirs.lines().count();
    let copies = repeat(|| {
        let lines = ours.lines(..).map(Result::unwrap);
        assert_eq!(lines.map(black_box).count(), expected);
    });
    let other = repeat(|| {
        let lines = theirs.lines().map(<[u8]>::to_vec);
        assert_eq!(lines.map(black_box).count(), expected);
    });
    report.row("the iterator, beside lines with to_vec", Some(1.0), copies, ("bstr", other));
    let lent = repeat(|| {
        let (mut lines, mut count) = (ours.lines(..), 0);
        while let Some(line) = lines.next_line().unwrap() {
            black_box(line);
            count += 1;
        }
        assert_eq!(count, expected);
    });
    let other = repeat(|| assert_eq!(theirs.lines().map(black_box).count(), expected));
    report.row("next_line, beside lines without a copy", Some(0.8), lent, ("bstr", other));
}
