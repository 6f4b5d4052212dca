//! Names that an operation goes through, made before the clock runs.

/// Texts of one length in one piece of memory: reading them in order costs no cache misses beside those measured.
pub struct Names {
    text: String,
    each_bytes: usize,
    count: u64,
}

impl Names {
    /// The names that `make` gives for 0 to `count`, in an order that is random and always the same.
    ///
    /// # Panics
    ///
    /// If there is none, or they are not equally long.
    pub fn shuffled(count: u64, make: impl Fn(u64) -> String) -> Names {
        Names::of(&shuffled(count), make)
    }

    /// The same in their own order.
    pub fn ordered(count: u64, make: impl Fn(u64) -> String) -> Names {
        Names::of(&(0..count).collect::<Vec<_>>(), make)
    }

    fn of(numbers: &[u64], make: impl Fn(u64) -> String) -> Names {
        let text: String = numbers.iter().map(|&number| make(number)).collect();
        let each_bytes = text.len() / numbers.len();
        assert_eq!(each_bytes * numbers.len(), text.len(), "names of one length");
        Names {
            text,
            each_bytes,
            count: numbers.len() as u64,
        }
    }

    /// The name of this number; after the last one comes the first.
    pub fn name(&self, number: u64) -> &str {
        let start = (number % self.count) as usize * self.each_bytes;
        &self.text[start..start + self.each_bytes]
    }

    /// The names from this number on, the first after the last. A division for each would be seen in what is measured.
    pub fn starting_at(&self, number: u64) -> impl Iterator<Item = &str> {
        let mut rest = &self.text[(number % self.count) as usize * self.each_bytes..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                rest = &self.text;
            }
            let (name, others) = rest.split_at(self.each_bytes);
            rest = others;
            Some(name)
        })
    }
}

/// 0 to `count` in an order that is random and always the same.
pub fn shuffled(count: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, (next(&mut state) % (last as u64 + 1)) as usize);
    }
    numbers
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_once_and_then_again() {
        let names = Names::shuffled(1000, |number| format!("{number:04}"));
        let mut seen: Vec<&str> = (0..1000).map(|number| names.name(number)).collect();
        assert_ne!(seen[..3], ["0000", "0001", "0002"]);
        assert_eq!(names.name(1000), seen[0]);
        let from_last: Vec<&str> = names.starting_at(1999).take(1001).collect();
        assert_eq!((from_last[0], from_last[1]), (seen[999], seen[0]));
        assert_eq!(from_last[1..], seen);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn the_order_is_always_the_same() {
        assert_eq!(shuffled(100), shuffled(100));
        let names = Names::ordered(3, |number| format!("/d/{number}"));
        assert_eq!(
            (names.name(0), names.name(2), names.name(3)),
            ("/d/0", "/d/2", "/d/0")
        );
    }
}
