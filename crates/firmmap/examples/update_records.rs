//! Raises a price in a file of records of 24 bytes, where it is: `cargo run --example update_records -- FILE ID PERCENT`

use std::path::Path;

use firmmap::{Access, MmapOptions};

/// A record is an id (`u64`), an amount (`u64`) and a price (`f64`), in little-endian order.
const RECORD: usize = 24;
const PRICE: usize = 16;

/// Raises the price of every record with that id, and says how many there are.
pub fn raise(path: &Path, id: u64, percent: f64) -> std::io::Result<usize> {
    let records = MmapOptions::new().access(Access::Write).open(path)?;
    let mut raised = 0;
    for record in (0..records.len() / RECORD).map(|number| number * RECORD) {
        if records.get_le::<u64>(record)? == id {
            let price: f64 = records.get_le(record + PRICE)?;
            records.set_le(record + PRICE, price * (1.0 + percent / 100.0))?;
            raised += 1;
        }
    }
    records.flush()?;
    Ok(raised)
}

#[allow(dead_code, reason = "the test has no command line")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [path, id, percent] = &arguments[..] else { return Err("usage: update_records FILE ID PERCENT".into()) };
    println!("{} records", raise(Path::new(path), id.parse()?, percent.parse()?)?);
    Ok(())
}
