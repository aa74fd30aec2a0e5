//! The catalog finds, identifies, watches and keeps files; knows every file's size; offers files to lanes.
//! It alone touches the directories of inputs. It knows nothing of outputs.

pub mod view;
