//! OpenSearch: `_bulk` requests of `create` actions, judged item by item.

pub mod answer;
pub mod format;
pub mod index;
#[cfg(feature = "outputs")]
pub mod service;
pub mod verdict;

#[cfg(test)]
mod tests;
