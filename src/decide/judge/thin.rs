//! A list of bounded length that keeps evenly spread entries of an endless series.

/// Keeps every `stride`-th entry; the stride doubles whenever the list is full.
#[derive(Debug, Clone)]
pub(super) struct Thinned<T> {
    kept: Vec<T>,
    stride: u64,
    seen: u64,
    kept_max: usize,
}

impl<T: Copy> Thinned<T> {
    pub(super) const fn new(kept_max: usize) -> Self {
        Self {
            kept: Vec::new(),
            stride: 1,
            seen: 0,
            kept_max,
        }
    }

    pub(super) fn push(&mut self, entry: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == self.kept_max {
                let mut index = 0_usize;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(entry);
            }
        }
        self.seen += 1;
    }

    pub(super) fn kept(&self) -> &[T] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_evenly_spread() {
        let mut thinned = Thinned::new(4);
        for entry in 0..100 {
            thinned.push(entry);
            assert!(thinned.kept().len() <= 4);
        }
        assert_eq!(thinned.kept(), [0, 32, 64, 96]);
    }
}
