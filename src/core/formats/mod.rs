//! Files of other programs: what silo reads of them, without running them, and the ones it writes for them.

pub mod compose;
pub mod dotenv;
pub mod github;
pub mod kubeconfig;
pub mod tiltfile;
mod yaml;
