//! S3: objects of JSON lines, each delivered once under a name that is decided before its bytes are sent.

#[cfg(feature = "outputs")]
mod address;
pub mod format;
pub mod name;
#[cfg(feature = "outputs")]
pub mod service;
pub mod verdict;
#[cfg(feature = "answers")]
pub mod xml;

#[cfg(test)]
mod tests;
