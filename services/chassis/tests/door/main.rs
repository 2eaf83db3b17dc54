//! The chassis through its door: real certificates, real connections on loopback, and the same
//! pipeline in memory.

mod calls;
mod drain;
mod faults;
mod matrix;
mod process;
mod rotation;
mod stand;
mod without_network;
