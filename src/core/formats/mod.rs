//! Files of other programs: what silo reads of them, without running them, and the ones it writes for them.

pub mod calls;
pub mod cilo;
pub mod commandline;
pub mod compose;
pub mod dns;
pub mod dotenv;
pub mod git_refs;
pub mod github;
pub mod kubeconfig;
pub mod mise;
pub mod proc_net;
pub mod scripts;
pub mod shared;
pub mod tar;
pub mod tiltfile;
mod yaml;
