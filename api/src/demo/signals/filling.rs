//! Signals of the batch tank and of the filling line.

use parx_protocols::device::image::Area::{Coil, Discrete, Holding, Input};

use super::row::Device::Filling;
use super::row::Row;
use crate::demo::batch::PHASES;
use crate::demo::filler::{FILLER_STATES, Filler};

/// Their rows.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    Row::analog("filling/tank/level", "Level of the batch tank", "%", |p| p.batch.level())
        .range(0.0, 100.0, 0.1, 0.2).at(Filling, 1, Input, 0).fast(),
    Row::analog("filling/tank/temperature", "Temperature of the product", "Cel",
                |p| p.batch.temperature)
        .range(0.0, 120.0, 0.05, 0.1).at(Filling, 1, Input, 2).fast(),
    Row::analog("filling/tank/steam_valve", "Position of the steam valve", "%", |p| p.batch.valve)
        .range(0.0, 100.0, 0.0, 0.3).at(Filling, 1, Input, 4).fast(),
    Row::analog("filling/tank/weight", "Weight of the product", "kg", |p| p.batch.mass)
        .range(0.0, 1_250.0, 0.5, 1.0).at(Filling, 1, Input, 6),
    Row::analog("filling/tank/pressure", "Pressure in the batch tank", "bar", |p| p.batch.pressure)
        .range(0.0, 2.0, 0.002, 0.004).at(Filling, 1, Input, 8),
    Row::analog("filling/tank/jacket/temperature", "Temperature of the jacket", "Cel",
                |p| p.batch.jacket)
        .range(0.0, 200.0, 0.1, 0.2).at(Filling, 1, Input, 10),
    Row::analog("filling/tank/inlet/flow", "Product into the batch tank", "m3/h",
                |p| p.batch.inlet * 3.6)
        .range(0.0, 80.0, 0.0, 0.2).at(Filling, 1, Input, 12),
    Row::analog("filling/tank/outlet/flow", "Product out of the batch tank", "m3/h",
                |p| p.batch.outlet * 3.6)
        .range(0.0, 80.0, 0.0, 0.2).at(Filling, 1, Input, 14),
    Row::analog("filling/tank/agitator/speed", "Speed of the agitator", "1/min",
                |p| p.batch.agitator)
        .range(0.0, 150.0, 0.1, 0.5).at(Filling, 1, Input, 16),
    Row::analog("filling/tank/agitator/current", "Current of the agitator", "A",
                |p| p.batch.agitator_current())
        .range(0.0, 12.0, 0.02, 0.05).at(Filling, 1, Input, 18),
    Row::analog("filling/tank/setpoint", "Temperature that the recipe asks for", "Cel",
                |p| p.batch.setpoint())
        .range(0.0, 120.0, 0.0, 0.05).at(Filling, 1, Holding, 0),
    Row::analog("filling/buffer/level", "Level of the buffer in front of the filler", "%",
                |p| p.batch.buffer_level())
        .range(0.0, 100.0, 0.05, 0.1).at(Filling, 1, Input, 20),
    Row::analog("filling/buffer/temperature", "Temperature in the buffer", "Cel",
                |p| p.batch.buffer_temperature)
        .range(0.0, 60.0, 0.03, 0.1).at(Filling, 1, Input, 22).slow(),
    Row::counter("filling/tank/batches", "Number of the batch", "1", |p| p.batch.number as f64)
        .at(Filling, 1, Input, 60),
    Row::state("filling/tank/state", "Phase of the batch", PHASES, |p| p.batch.phase as i64)
        .at(Filling, 1, Input, 80),
    Row::text("filling/batch/recipe", "What is made", |p| p.batch.recipe().0.to_owned())
        .at(Filling, 1, Holding, 100).slow(),
    Row::flag("filling/tank/inlet/open", "The inlet valve is open", |p| p.batch.inlet > 0.0)
        .at(Filling, 1, Coil, 0),
    Row::flag("filling/tank/outlet/open", "The outlet valve is open", |p| p.batch.outlet > 0.0)
        .at(Filling, 1, Coil, 1),
    Row::flag("filling/tank/agitator/running", "The agitator runs", |p| p.batch.agitator > 0.0)
        .at(Filling, 1, Coil, 2),
    Row::flag("filling/alarm/level_high", "Alarm: the batch tank is too full",
              |p| p.batch.level_high())
        .at(Filling, 1, Discrete, 0).fast(),
    Row::analog("filling/filler/speed", "Bottles per minute", "1/min", |p| p.line.speed)
        .range(0.0, 500.0, 0.3, 1.0).at(Filling, 2, Input, 0).fast(),
    Row::analog("filling/filler/fill_volume", "Volume in a bottle", "mL", |p| p.line.fill_volume())
        .range(490.0, 510.0, 0.15, 0.1).at(Filling, 2, Input, 2),
    Row::analog("filling/filler/bowl/level", "Level in the filler's bowl", "%", |p| p.line.bowl)
        .range(0.0, 100.0, 0.2, 0.3).at(Filling, 2, Input, 4),
    Row::analog("filling/filler/bowl/pressure", "Pressure in the filler's bowl", "bar",
                |p| 1.1 + 0.004 * p.line.bowl)
        .range(0.0, 3.0, 0.003, 0.005).at(Filling, 2, Input, 6),
    Row::analog("filling/capper/torque", "Torque of the capper", "N.m", |p| p.line.cap_torque())
        .range(0.0, 4.0, 0.02, 0.02).at(Filling, 2, Input, 8),
    Row::analog("filling/conveyor/speed", "Speed of the conveyor", "m/min", |p| p.line.conveyor())
        .range(0.0, 50.0, 0.02, 0.1).at(Filling, 2, Input, 10),
    Row::analog("filling/conveyor/motor_temperature", "Temperature of the conveyor's motor", "Cel",
                |p| p.line.motor)
        .range(0.0, 120.0, 0.05, 0.1).at(Filling, 2, Input, 12).slow(),
    Row::counter("filling/filler/bottles", "Bottles filled in all", "1", |p| p.line.bottles)
        .at(Filling, 2, Input, 60),
    Row::counter("filling/filler/rejects", "Bottles rejected in all", "1", |p| p.line.rejects)
        .at(Filling, 2, Input, 62),
    Row::counter("filling/packer/cases", "Cases packed in all", "1", |p| p.line.cases())
        .at(Filling, 2, Input, 64),
    Row::state("filling/filler/state", "What the filler does", FILLER_STATES,
               |p| p.line.state as i64)
        .at(Filling, 2, Input, 80),
    Row::flag("filling/conveyor/running", "The conveyor runs", |p| p.line.speed > 0.0)
        .at(Filling, 2, Coil, 0),
    Row::flag("filling/filler/door_open", "Somebody reaches into the filler", |p| p.line.door)
        .at(Filling, 2, Discrete, 0),
    Row::flag("filling/alarm/jam", "Alarm: a bottle is stuck", |p| p.line.state == Filler::Jam)
        .at(Filling, 2, Discrete, 1).fast(),
];
