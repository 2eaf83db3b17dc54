//! Raw attacks on the sandbox, seen from outside: what succeeds without it must not succeed within, a
//! layer that is taken away must be noticed, and nothing a command starts may stay.

#[cfg(test)]
#[path = "kernel/attacks.rs"]
mod attacks;
#[cfg(test)]
#[path = "kernel/behaviour.rs"]
mod behaviour;
#[cfg(test)]
#[path = "kernel/everyday.rs"]
mod everyday;
#[cfg(test)]
#[path = "kernel/exchange.rs"]
mod exchange;
#[cfg(test)]
#[path = "kernel/ground.rs"]
mod ground;
#[cfg(test)]
#[path = "kernel/groups.rs"]
mod groups;
#[cfg(test)]
#[path = "kernel/ipc.rs"]
mod ipc;
#[cfg(test)]
#[path = "kernel/missing.rs"]
mod missing;
#[cfg(test)]
#[path = "kernel/mutation.rs"]
mod mutation;
#[cfg(test)]
#[path = "kernel/orphans.rs"]
mod orphans;
#[cfg(test)]
#[path = "kernel/scene.rs"]
mod scene;
#[cfg(test)]
#[path = "kernel/wait.rs"]
mod wait;
