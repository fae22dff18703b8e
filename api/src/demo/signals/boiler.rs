//! Signals of the boiler house.

use parx_protocols::device::image::Area::{Coil, Discrete, Input};

use super::row::Device::Boiler;
use super::row::Row;
use crate::demo::boiler::BURNER_STATES;

/// Their rows.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    Row::analog("boiler/steam/pressure", "Steam pressure in the drum", "bar", |p| p.boiler.pressure)
        .range(0.0, 16.0, 0.01, 0.02).at(Boiler, 1, Input, 0).fast(),
    Row::analog("boiler/steam/flow", "Steam to the consumers", "t/h", |p| p.boiler.steam * 3.6)
        .range(0.0, 8.0, 0.02, 0.03).at(Boiler, 1, Input, 2).fast(),
    Row::analog("boiler/drum/level", "Water level in the drum", "%", |p| p.boiler.level())
        .range(0.0, 100.0, 0.15, 0.3).at(Boiler, 1, Input, 4).fast(),
    Row::analog("boiler/burner/load", "Load of the burner", "%", |p| p.boiler.load)
        .range(0.0, 100.0, 0.0, 0.2).at(Boiler, 1, Input, 6).fast(),
    Row::analog("boiler/furnace/pressure", "Pressure in the furnace", "mbar",
                |p| p.boiler.load * 0.05 + 0.25 * p.boiler.draught.0)
        .range(-5.0, 15.0, 0.06, 0.05).at(Boiler, 1, Input, 8).fast(),
    Row::analog("boiler/steam/temperature", "Temperature of the steam", "Cel",
                |p| p.boiler.steam_temperature())
        .range(0.0, 250.0, 0.1, 0.2).at(Boiler, 1, Input, 10),
    Row::analog("boiler/feedwater/flow", "Feedwater into the drum", "t/h", |p| p.boiler.feed * 3.6)
        .range(0.0, 10.0, 0.02, 0.03).at(Boiler, 1, Input, 12),
    Row::analog("boiler/feedwater/valve", "Position of the feedwater valve", "%",
                |p| p.boiler.valve)
        .range(0.0, 100.0, 0.05, 0.3).at(Boiler, 1, Input, 14),
    Row::analog("boiler/feedwater/pressure", "Pressure behind the feedwater pumps", "bar",
                |p| p.boiler.feed_pressure())
        .range(0.0, 25.0, 0.05, 0.05).at(Boiler, 1, Input, 16),
    Row::analog("boiler/gas/flow", "Gas to the burner", "m3/h", |p| p.boiler.gas())
        .range(0.0, 500.0, 0.4, 0.5).at(Boiler, 1, Input, 18),
    Row::analog("boiler/flue/oxygen", "Oxygen in the flue gas; the probe fails now and then", "%",
                |p| p.sensed(p.boiler.oxygen))
        .range(0.0, 21.0, 0.03, 0.05).at(Boiler, 1, Input, 20),
    Row::analog("boiler/flue/temperature", "Temperature of the flue gas", "Cel", |p| p.boiler.flue)
        .range(0.0, 350.0, 0.2, 0.5).at(Boiler, 1, Input, 22),
    Row::analog("boiler/pump1/speed", "Speed of feedwater pump 1", "1/min",
                |p| if p.boiler.pump1 { 1_450.0 + 14.0 * p.boiler.valve } else { 0.0 })
        .range(0.0, 3_000.0, 2.0, 5.0).at(Boiler, 1, Input, 24),
    Row::analog("boiler/pump1/current", "Current of feedwater pump 1", "A",
                |p| if p.boiler.pump1 { 4.2 + 0.09 * p.boiler.valve } else { 0.0 })
        .range(0.0, 20.0, 0.03, 0.05).at(Boiler, 1, Input, 26),
    Row::analog("boiler/pump2/current", "Current of feedwater pump 2", "A",
                |p| if p.boiler.pump2 { 4.1 + 0.09 * p.boiler.valve } else { 0.0 })
        .range(0.0, 20.0, 0.03, 0.05).at(Boiler, 1, Input, 28),
    Row::analog("boiler/tank/level", "Level of the feedwater tank", "%", |p| p.boiler.tank_level)
        .range(0.0, 100.0, 0.05, 0.1).at(Boiler, 1, Input, 30).slow(),
    Row::analog("boiler/tank/temperature", "Temperature of the feedwater tank", "Cel",
                |p| p.boiler.tank_temperature)
        .range(0.0, 120.0, 0.05, 0.1).at(Boiler, 1, Input, 32).slow(),
    Row::analog("boiler/condensate/flow", "Condensate that comes back", "t/h",
                |p| p.boiler.condensate * 3.6)
        .range(0.0, 8.0, 0.01, 0.02).at(Boiler, 1, Input, 34).slow(),
    Row::analog("boiler/condensate/conductivity", "Conductivity of the boiler water", "uS/cm",
                |p| p.boiler.conductivity)
        .range(0.0, 5_000.0, 2.0, 5.0).at(Boiler, 1, Input, 36).slow(),
    Row::analog("boiler/efficiency", "Heat of the gas that does not leave with the flue gas", "%",
                |p| p.boiler.efficiency())
        .range(0.0, 100.0, 0.0, 0.1).at(Boiler, 1, Input, 38).slow(),
    Row::counter("boiler/gas/total", "Gas burnt in all", "m3", |p| p.boiler.gas_m3)
        .at(Boiler, 1, Input, 60).slow(),
    Row::counter("boiler/steam/total", "Steam made in all", "kg", |p| p.boiler.steam_kg)
        .at(Boiler, 1, Input, 62).slow(),
    Row::counter("boiler/feedwater/total", "Feedwater in all", "kg", |p| p.boiler.feed_kg)
        .at(Boiler, 1, Input, 64).slow(),
    Row::counter("boiler/burner/starts", "Starts of the burner", "1", |p| p.boiler.starts)
        .at(Boiler, 1, Input, 66).slow(),
    Row::counter("boiler/burner/hours", "Hours that the burner has burnt", "h", |p| p.boiler.hours)
        .at(Boiler, 1, Input, 68).slow(),
    Row::state("boiler/burner/state", "What the burner does", BURNER_STATES,
               |p| p.boiler.burner as i64)
        .at(Boiler, 1, Input, 80),
    Row::flag("boiler/burner/on", "There is a flame", |p| p.boiler.flame_s > 0.0)
        .at(Boiler, 1, Coil, 0),
    Row::flag("boiler/pump1/running", "Feedwater pump 1 runs", |p| p.boiler.pump1)
        .at(Boiler, 1, Coil, 1),
    Row::flag("boiler/pump2/running", "Feedwater pump 2 runs", |p| p.boiler.pump2)
        .at(Boiler, 1, Coil, 2),
    Row::flag("boiler/blowdown/open", "The blowdown valve is open", |p| p.boiler.blowdown)
        .at(Boiler, 1, Coil, 3),
    Row::flag("boiler/makeup/open", "Fresh water flows into the feedwater tank",
              |p| p.boiler.makeup > 0.2)
        .at(Boiler, 1, Coil, 4),
    Row::flag("boiler/safety_valve/open", "The safety valve has lifted", |p| p.boiler.safety)
        .at(Boiler, 1, Discrete, 0),
    Row::flag("boiler/alarm/level_low", "Alarm: little water in the drum", |p| p.boiler.level_low())
        .at(Boiler, 1, Discrete, 1).fast(),
    Row::flag("boiler/alarm/lockout", "Alarm: the burner is locked out",
              |p| p.boiler.burner as i64 == 4)
        .at(Boiler, 1, Discrete, 2),
];
