//! Workspaces (D118): `silo new`, `run`, `rm` and `cd`. A workspace is recorded before anything of it is made, and forgotten
//! when nothing of it is left; who was cut off in between is finished or taken back by the next who names it.

pub(super) mod cd;
mod copied;
mod furnished;
pub(super) mod list;
mod losses;
mod made;
mod named;
pub(super) mod new;
mod origin;
mod removal;
pub(super) mod rm;
pub(super) mod run;
mod takedown;
pub(super) mod templates;
