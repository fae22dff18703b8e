//! Signals of the site, which its gateway sends.

use super::row::Row;

const POWER: &str = "site/power";
const WATER: &str = "site/water";
const AIR: &str = "site/air";
const WEATHER: &str = "site/weather";
const BATCH: &str = "filling/batch";
const LINE: &str = "filling/line";
const OPERATOR: &str = "filling/operator";

/// Their rows.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    Row::analog("site/power/total", "Power of the site", "kW", |p| p.site.power)
        .range(0.0, 250.0, 0.3, 0.5).sent(POWER, "total"),
    Row::analog("site/power/boiler", "Power of the boiler house", "kW", |p| p.site.used.boiler_kw)
        .range(0.0, 80.0, 0.1, 0.2).sent(POWER, "boiler"),
    Row::analog("site/power/filling", "Power of tank and line", "kW", |p| p.site.used.filling_kw)
        .range(0.0, 80.0, 0.1, 0.2).sent(POWER, "filling"),
    Row::counter("site/power/energy", "Energy used in all", "kW.h", |p| p.site.energy_kwh)
        .sent(POWER, "energy"),
    Row::analog("site/water/flow", "Fresh water", "m3/h", |p| p.site.used.water_m3_h)
        .range(0.0, 100.0, 0.02, 0.05).sent(WATER, "flow"),
    Row::counter("site/water/total", "Fresh water in all", "m3", |p| p.site.water_m3)
        .sent(WATER, "total"),
    Row::analog("site/air/pressure", "Pressure of the compressed air", "bar", |p| p.site.air)
        .range(0.0, 10.0, 0.01, 0.02).sent(AIR, "pressure"),
    Row::flag("site/air/compressor", "The compressor runs", |p| p.site.compressor)
        .sent(AIR, "compressor"),
    Row::analog("site/weather/temperature", "Temperature outside", "Cel", |p| p.site.temperature)
        .range(-20.0, 45.0, 0.03, 0.1).sent(WEATHER, "temperature"),
    Row::analog("site/weather/humidity", "Humidity outside", "%", |p| p.site.humidity)
        .range(0.0, 100.0, 0.1, 0.3).sent(WEATHER, "humidity"),
    Row::text("filling/batch/id", "The batch that is in the tank", |p| p.batch.id())
        .sent(BATCH, "id"),
    Row::analog("filling/batch/acidity", "Acidity in the laboratory; the probe fails at times",
                "[pH]", |p| p.probed(3.6 + 0.12 * p.batch.acidity.0))
        .range(2.0, 6.0, 0.004, 0.01).sent(BATCH, "acidity"),
    Row::analog("filling/line/effectiveness", "Share of the bottles that were possible", "%",
                |p| p.line.effectiveness)
        .range(0.0, 100.0, 0.0, 0.1).sent(LINE, "effectiveness"),
    Row::text("filling/operator/message", "What the operators are told", |p| p.message.clone())
        .sent(OPERATOR, "message"),
];
