//! A world of real processes, used as a person uses it.

mod disk;
mod door;
mod halt;
mod hostile;
mod input;
mod kills;
mod lifecycle;
mod moving;
mod obedient;
mod papers;
mod programs;
mod record;
mod reference;
mod replay;
mod restart;
mod retention;
mod sandbox;
mod secrets;
mod standby;
mod terms;
mod verdicts;
mod way;
mod windows;
