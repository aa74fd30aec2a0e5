//! OpenSearch: `_bulk` requests of `create` actions, judged item by item.

pub mod answer;
pub mod verdict;

#[cfg(test)]
mod tests;
