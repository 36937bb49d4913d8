//! The shells under test: one driver for each of silo's table, with all that the tests say to it.

mod bash;
mod driver;
mod elvish;
mod fish;
mod nu;
mod tcsh;
mod zsh;

use std::ops::Deref;

pub(crate) use driver::{Driver, Setup};

/// A shell silo has a hook for.
#[derive(Clone, Copy)]
pub(crate) struct Shell(&'static dyn Driver);

impl Shell {
    pub(crate) const BASH: Self = Self(&bash::Bash);
    pub(crate) const ZSH: Self = Self(&zsh::Zsh);
    pub(crate) const FISH: Self = Self(&fish::Fish);
    pub(crate) const NU: Self = Self(&nu::Nu);
    pub(crate) const ELVISH: Self = Self(&elvish::Elvish);
    pub(crate) const TCSH: Self = Self(&tcsh::Tcsh);

    /// Each of them, in the order of silo's table.
    pub(crate) const ALL: [Self; 6] = [Self::BASH, Self::ZSH, Self::FISH, Self::NU, Self::ELVISH, Self::TCSH];

    /// The driver of a shell of silo's table.
    pub(crate) fn of(known: &silo::core::shell::Shell) -> Self {
        let found = Self::ALL.into_iter().find(|shell| shell.name() == known.name);
        found.unwrap_or_else(|| panic!("no test drives {}", known.name))
    }

    /// What silo knows of it.
    pub(crate) fn known(self) -> &'static silo::core::shell::Shell {
        silo::core::shell::named(self.name()).unwrap_or_else(|| panic!("silo does not know {}", self.name()))
    }
}

/// Makes one test for each shell.
macro_rules! each_shell {
    ($($name:ident),+ $(,)?) => {
        crate::drivers::in_shells!(
            { bash = BASH, zsh = ZSH, fish = FISH, nu = NU, elvish = ELVISH, tcsh = TCSH }: $($name)+
        );
    };
}
pub(crate) use each_shell;

/// The same for those to whose start file silo adds the line.
macro_rules! installed_shells {
    ($($name:ident),+ $(,)?) => {
        crate::drivers::in_shells!(
            { bash = BASH, zsh = ZSH, fish = FISH, elvish = ELVISH, tcsh = TCSH }: $($name)+
        );
    };
}
pub(crate) use installed_shells;

/// The same for what only bash, zsh and fish can do.
macro_rules! first_shells {
    ($($name:ident),+ $(,)?) => {
        crate::drivers::in_shells!({ bash = BASH, zsh = ZSH, fish = FISH }: $($name)+);
    };
}
pub(crate) use first_shells;

/// Makes tests that are named as their shells from functions that take the shell.
macro_rules! in_shells {
    ($shells:tt: $($name:ident)+) => { $(
        mod $name {
            crate::drivers::in_shells!(@ $name $shells);
        }
    )+ };
    (@ $name:ident { $($test:ident = $shell:ident),+ }) => {
        $(
            #[test]
            fn $test() {
                super::$name(crate::drivers::Shell::$shell);
            }
        )+

        /// The shells that are tested, by name.
        #[allow(dead_code, reason = "only `shells.rs` asks")]
        pub(super) const TESTED: &[&str] = &[$(stringify!($test)),+];
    };
}
pub(crate) use in_shells;

impl Deref for Shell {
    type Target = dyn Driver;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Shell {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
