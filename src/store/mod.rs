//! The checkpoint store: positions, intents and file identities, in one log format.

pub mod saved;
