//! How much an archive may unpack to, counted by what really comes out: what an archive declares of itself is not trusted.

use super::TreeError;

/// Bytes that may come out before the ratio counts: text and zeros in a small archive compress well and harm nobody.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// What an archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub unpacked_bytes_max: u64,
    /// Files and directories.
    pub files_max: u64,
    /// Unpacked bytes for each byte of the archive, beyond the first 16 MiB. DEFLATE itself ends at 1032.
    pub ratio_max: u64,
}

/// What has come out so far.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    archive_bytes: u64,
    bytes: u64,
    entries: u64,
}

impl Budget {
    /// `archive_bytes` is the size of the archive as it lies in storage.
    pub fn new(limits: Limits, archive_bytes: u64) -> Self {
        Self {
            limits,
            archive_bytes,
            bytes: 0,
            entries: 0,
        }
    }

    /// # Errors
    /// There are more entries than allowed.
    pub fn entry(&mut self) -> Result<(), TreeError> {
        self.entries += 1;
        if self.entries <= self.limits.files_max {
            return Ok(());
        }
        Err(TreeError::refused(format!(
            "it holds more than {} files and directories, the limit",
            self.limits.files_max
        )))
    }

    /// # Errors
    /// More has come out than allowed, absolutely or for the size of the archive.
    pub fn bytes(&mut self, count: u64) -> Result<(), TreeError> {
        self.bytes = self.bytes.saturating_add(count);
        if self.limits.unpacked_bytes_max < self.bytes {
            return Err(TreeError::refused(format!(
                "it unpacks to more than {} bytes, the limit",
                self.limits.unpacked_bytes_max
            )));
        }
        let by_ratio = self.archive_bytes.saturating_mul(self.limits.ratio_max);
        if by_ratio.saturating_add(RATIO_FREE_BYTES) < self.bytes {
            return Err(TreeError::refused(format!(
                "its {} bytes unpack to more than {} times as much, the limit",
                self.archive_bytes, self.limits.ratio_max
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_is_counted() {
        let limits = Limits {
            unpacked_bytes_max: 100 << 20,
            files_max: 2,
            ratio_max: 10,
        };
        let mut budget = Budget::new(limits, 1 << 20);
        budget.bytes(26 << 20).unwrap();
        assert!(
            budget
                .bytes(1)
                .unwrap_err()
                .to_string()
                .contains("10 times")
        );
        let mut budget = Budget::new(limits, 1 << 30);
        budget.bytes(100 << 20).unwrap();
        assert!(
            budget
                .bytes(1)
                .unwrap_err()
                .to_string()
                .contains("104857600 bytes")
        );
        budget.bytes(u64::MAX).unwrap_err();
        budget.entry().unwrap();
        budget.entry().unwrap();
        assert!(
            budget
                .entry()
                .unwrap_err()
                .to_string()
                .contains("more than 2 files")
        );
    }
}
