//! `warren-operator local` as a person runs it: the program itself, its standard output, its
//! signals, and the processes it leaves or does not leave.

mod bad_manifests;
mod commands;
mod fan_out;
mod life;
mod run;
mod without_broker;
