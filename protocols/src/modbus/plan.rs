//! The planner: from points to as few requests as possible. Pure.
//!
//! Points of one class, unit and area that lie close together are read at once. A value is never
//! cut, and two points may share registers. A request that a device refuses is split again.

use super::address::{Address, Area, Order};

/// Most registers that the protocol allows in one request.
pub const REGISTERS_MAX: u16 = 125;
/// Most bits that the protocol allows in one request.
pub const BITS_MAX: u16 = 2000;

/// A point with everything that is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its place in the source's plan.
    pub point: usize,
    /// Its scan class.
    pub class: usize,
    /// The device.
    pub unit: u8,
    /// The byte order.
    pub order: Order,
    /// The rest.
    pub address: Address,
}

/// What one request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most unused places between two points of one request.
    pub gap: u16,
    /// Most registers.
    pub registers: u16,
    /// Most bits.
    pub bits: u16,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The scan class it belongs to.
    pub class: usize,
    /// The device.
    pub unit: u8,
    /// The table.
    pub area: Area,
    /// First register or bit.
    pub start: u16,
    /// How many.
    pub count: u16,
    /// The targets in it, ascending by where they begin.
    pub fields: Vec<Field>,
}

/// Where a target lies in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Place of the target in the list of targets.
    pub target: usize,
    /// Offset from the beginning of the request.
    pub at: u16,
    /// Registers or bits it takes.
    pub span: u16,
}

/// The requests that read all `targets`.
pub fn plan(targets: &[Target], limits: &Limits) -> Vec<Read> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|index| {
        let target = &targets[*index];
        (target.class, target.unit, target.address.area, target.address.offset, *index)
    });
    let mut reads: Vec<Read> = Vec::new();
    for index in order {
        let target = &targets[index];
        let area = target.address.area;
        let max = if area.is_bits() { limits.bits } else { limits.registers };
        let key = (target.class, target.unit, area);
        let (start, span) = (target.address.offset, target.address.kind.span());
        match reads.last_mut() {
            Some(read)
                if (read.class, read.unit, read.area) == key
                    && joins(read, start, span, limits.gap, max) =>
            {
                let at = start - read.start;
                read.count = read.count.max(at + span);
                read.fields.push(Field { target: index, at, span });
            }
            Some(_) | None => {
                let fields = vec![Field { target: index, at: 0, span }];
                let (class, unit, area) = key;
                reads.push(Read { class, unit, area, start, count: span, fields });
            }
        }
    }
    reads
}

/// Whether a value is near enough to `read`, and `read` small enough to take it in.
fn joins(read: &Read, start: u16, span: u16, gap: u16, max: u16) -> bool {
    let end = u32::from(read.start) + u32::from(read.count);
    let reach = u32::from(start) + u32::from(span) - u32::from(read.start);
    u32::from(start) <= end + u32::from(gap) && reach <= u32::from(max)
}

/// The parts of a request that was refused as a whole: first without its holes, then by halves.
/// Empty if it reads a single target and cannot be split.
pub fn split(read: &Read) -> Vec<Read> {
    let dense = at_holes(read);
    if dense.len() > 1 {
        return dense;
    }
    if read.fields.len() < 2 {
        return vec![];
    }
    let (left, right) = read.fields.split_at(read.fields.len() / 2);
    vec![part(read, left), part(read, right)]
}

fn at_holes(read: &Read) -> Vec<Read> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut end = 0;
    for (place, field) in read.fields.iter().enumerate() {
        if place > from && field.at > end {
            parts.push(part(read, &read.fields[from..place]));
            from = place;
        }
        end = end.max(field.at + field.span);
    }
    parts.push(part(read, &read.fields[from..]));
    parts
}

fn part(read: &Read, fields: &[Field]) -> Read {
    let first = fields.first().map_or(0, |field| field.at);
    let end = fields.iter().map(|field| field.at + field.span).max().unwrap_or(first);
    let moved = fields.iter().map(|field| Field { at: field.at - first, ..*field });
    Read { start: read.start + first, count: end - first, fields: moved.collect(), ..*read }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { gap: 8, registers: 125, bits: 2000 };

    fn targets(addresses: &[&str]) -> Vec<Target> {
        let target = |(point, text): (usize, &&str)| {
            let address: Address = text.parse().unwrap();
            let unit = address.unit.unwrap_or(1);
            Target { point, class: 0, unit, order: Order::Abcd, address }
        };
        addresses.iter().enumerate().map(target).collect()
    }

    type Span = (u8, u16, u16, usize);

    fn spans(reads: &[Read]) -> Vec<Span> {
        reads.iter().map(|r| (r.unit, r.start, r.count, r.fields.len())).collect()
    }

    #[test]
    fn near_points_share_a_request_and_far_ones_do_not() {
        let table: [(&[&str], &[Span]); 7] = [
            (&["holding:0", "holding:1:float32"], &[(1, 0, 3, 2)]),
            (&["holding:0", "holding:9"], &[(1, 0, 10, 2)]),
            (&["holding:0", "holding:10"], &[(1, 0, 1, 1), (1, 10, 1, 1)]),
            (&["holding:5:int64", "holding:6"], &[(1, 5, 4, 2)]),
            (&["holding:3", "2!holding:4"], &[(1, 3, 1, 1), (2, 4, 1, 1)]),
            (&["holding:3", "input:4"], &[(1, 4, 1, 1), (1, 3, 1, 1)]),
            (&["holding:65535", "holding:65533:float32"], &[(1, 65533, 3, 2)]),
        ];
        for (addresses, expected) in table {
            assert_eq!(spans(&plan(&targets(addresses), &LIMITS)), expected, "{addresses:?}");
        }
    }

    #[test]
    fn no_request_is_longer_than_the_limit_and_no_value_is_cut() {
        let addresses: Vec<String> =
            (0..100).map(|n| format!("holding:{}:float32", n * 2)).collect();
        let texts: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let reads = plan(&targets(&texts), &LIMITS);
        assert_eq!(spans(&reads), [(1, 0, 124, 62), (1, 124, 76, 38)]);
        let small = Limits { registers: 3, ..LIMITS };
        assert!(plan(&targets(&texts), &small).iter().all(|read| read.count == 2));
    }

    #[test]
    fn a_refused_request_is_split_until_each_point_stands_alone() {
        let all = targets(&["holding:0", "holding:1", "holding:4", "holding:5", "holding:6:int32"]);
        let reads = plan(&all, &LIMITS);
        assert_eq!(spans(&reads), [(1, 0, 8, 5)]);
        let parts = split(&reads[0]);
        assert_eq!(spans(&parts), [(1, 0, 2, 2), (1, 4, 4, 3)], "first at the hole");
        let halves = split(&parts[1]);
        assert_eq!(spans(&halves), [(1, 4, 1, 1), (1, 5, 3, 2)], "then by halves");
        assert_eq!(split(&halves[0]), [], "a single point cannot be split");
    }
}
