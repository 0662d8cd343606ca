//! Operations timed beside git's own server: which histories, which operations, on which servers,
//! and how the figures are shown. Serves figures, not verdicts: no test reads them.

pub mod budgets;
pub mod cpu;
pub mod document;
pub mod json;
pub mod lines;
pub mod measure;
pub mod nginx;
pub mod operations;
pub mod plot;
pub mod report;
pub mod run;
pub mod scale;
pub mod server;
pub mod shapes;
pub mod starts;
pub mod tables;
pub mod vast;
