//! What a name that is none may have been meant to be, by CPython's measure: two points for a letter too many, missing or wrong, one for a
//! letter in the wrong case.

const WRONG: usize = 2;
const WRONG_CASE: usize = 1;

/// Names that are longer are compared with nothing.
const LONGEST: usize = 40;

/// The known name that is nearest to `name`, if any is near.
pub(crate) fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let near = |&known: &&'a str| {
        let points = distance(name.as_bytes(), known.as_bytes());
        (points <= (name.len() + known.len() + 3) * WRONG / 6).then_some((points, known))
    };
    let nearest = known.iter().filter_map(near).min_by_key(|(points, _)| *points)?;
    Some(nearest.1)
}

/// The weighted Levenshtein distance, a row of the usual table at a time.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: [usize; LONGEST + 1] = std::array::from_fn(|index| index * WRONG);
    for (count, byte) in to.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = (count + 1) * WRONG;
        for (index, other) in from.iter().enumerate() {
            let replaced = diagonal + cost(*other, *byte);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(diagonal + WRONG).min(row[index] + WRONG);
        }
    }
    row[from.len()]
}

fn cost(one: u8, other: u8) -> usize {
    match one {
        _ if one == other => 0,
        _ if one.eq_ignore_ascii_case(&other) => WRONG_CASE,
        _ => WRONG,
    }
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["fileno", "length", "flags", "prot"];
        assert_eq!(closest("filen", &known), Some("fileno"));
        assert_eq!(closest("Fileno", &known), Some("fileno"));
        assert_eq!(closest("lengths", &known), Some("length"));
        assert_eq!(closest("flag", &known), Some("flags"));
        assert_eq!(closest("zzz", &known), None);
        assert_eq!(closest(&"flags".repeat(20), &known), None);
    }
}
