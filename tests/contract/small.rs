//! The real formats with limits for a test's size: what they encode is theirs, when a body is full is not.

use tailrace::lane::batch::{FileKey, Target};
use tailrace::lane::format::{Encoded, Finished, Format, Limits};
use tailrace::origin::Origin;
use tailrace::output::s3::format::S3Format;
use tailrace::record::{Now, Record};

/// The real format with small bodies: several in flight for a few hundred lines.
pub struct Small<F>(pub F);

/// The same for S3's parts, which are full at 64 KiB instead of 5 MiB.
pub struct Parts(pub S3Format);

const SMALL_ITEMS: u32 = 40;

macro_rules! but_for_limits {
    ($format:ty, [$($generic:tt)*], $limits:expr) => {
        impl $($generic)* Format for $format {
            fn limits(&self) -> Limits {
                $limits(self.0.limits())
            }
            fn key(&self, origin: &Origin) -> FileKey {
                self.0.key(origin)
            }
            fn target(&self, key: &FileKey, unix_ns: i64) -> Target {
                self.0.target(key, unix_ns)
            }
            fn object_name(&self, target: &Target, first_ns: i64, random: u64) -> String {
                self.0.object_name(target, first_ns, random)
            }
            fn bucket(&self, key: &FileKey, unix_ns: i64) -> i64 {
                self.0.bucket(key, unix_ns)
            }
            fn encode(&mut self, now: Now, origin: &Origin, record: &Record<'_>) -> Encoded {
                self.0.encode(now, origin, record)
            }
            fn sent_len(&self) -> usize {
                self.0.sent_len()
            }
            fn plain_len(&self) -> usize {
                self.0.plain_len()
            }
            fn finish(&mut self) -> Finished {
                self.0.finish()
            }
            fn clear(&mut self) {
                self.0.clear();
            }
        }
    };
}

but_for_limits!(Small<F>, [<F: Format>], |limits| Limits { items: SMALL_ITEMS, ..limits });
but_for_limits!(Parts, [], |limits| Limits { sent_bytes: 64 << 10, object_bytes: 256 << 10, ..limits });
