//! S3: objects of JSON lines, each delivered once under a name that is decided before its bytes are sent.

pub mod format;
pub mod name;
pub mod verdict;
#[cfg(feature = "outputs")]
mod xml;

#[cfg(test)]
mod tests;
