//! What silo keeps of the memory (D35) outside of the server: the user's file with servers, files with the passwords of agents' roles,
//! and which runs wait to be saved.

pub mod file;
pub mod roles;
pub mod waiting;
