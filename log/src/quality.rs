//! Quality of a sample: an OPC UA status code, kept bit by bit as it came.
//!
//! Names and numbers are those of the OPC Foundation's status code list (OPC 10000-4, 7.39 and
//! 10000-6, annex A.2). Only the codes that ParX itself gives are named; any other is kept too.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An OPC UA status code: severity in the top two bits, the reason below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(pub u32);

/// What a quality comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The value may be used.
    Good,
    /// The value may be used with care.
    Uncertain,
    /// The value, if there is one, must not be used.
    Bad,
}

impl Severity {
    /// `good`, `uncertain` or `bad`, as SQL shows it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Good => "good",
            Severity::Uncertain => "uncertain",
            Severity::Bad => "bad",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal $name:literal;)*) => {
        impl Quality {
            $($(#[$doc])* pub const $constant: Quality = Quality($code);)*

            /// The code's name in the standard, if ParX knows it.
            pub fn known_name(self) -> Option<&'static str> {
                match self.0 & 0xFFFF_0000 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No complaint.
    GOOD = 0x0000_0000 "Good";
    /// Entered by hand in place of what the source says.
    GOOD_LOCAL_OVERRIDE = 0x0096_0000 "GoodLocalOverride";
    /// Good for an unspecified reason to doubt.
    UNCERTAIN = 0x4000_0000 "Uncertain";
    /// What was last known; the source has stopped updating it.
    UNCERTAIN_LAST_USABLE_VALUE = 0x4090_0000 "UncertainLastUsableValue";
    /// Outside the limits of the sensor or of its unit.
    UNCERTAIN_ENGINEERING_UNITS_EXCEEDED = 0x4094_0000 "UncertainEngineeringUnitsExceeded";
    /// Bad, and nothing is known about why.
    BAD = 0x8000_0000 "Bad";
    /// The device has not got what the request needs just now.
    BAD_RESOURCE_UNAVAILABLE = 0x8004_0000 "BadResourceUnavailable";
    /// The link was lost, refused or timed out.
    BAD_COMMUNICATION_ERROR = 0x8005_0000 "BadCommunicationError";
    /// What the device sent does not fit what it should be.
    BAD_DECODING_ERROR = 0x8007_0000 "BadDecodingError";
    /// The device does not let us.
    BAD_USER_ACCESS_DENIED = 0x801F_0000 "BadUserAccessDenied";
    /// The link is up and the device is silent.
    BAD_NO_COMMUNICATION = 0x8031_0000 "BadNoCommunication";
    /// The first value has not come yet.
    BAD_WAITING_FOR_INITIAL_DATA = 0x8032_0000 "BadWaitingForInitialData";
    /// The device does not know the address.
    BAD_NODE_ID_UNKNOWN = 0x8034_0000 "BadNodeIdUnknown";
    /// The value does not fit the signal's type or range.
    BAD_OUT_OF_RANGE = 0x803C_0000 "BadOutOfRange";
    /// The device cannot do that.
    BAD_NOT_SUPPORTED = 0x803D_0000 "BadNotSupported";
    /// Value and signal are of different types.
    BAD_TYPE_MISMATCH = 0x8074_0000 "BadTypeMismatch";
    /// The configuration and the device contradict each other.
    BAD_CONFIGURATION_ERROR = 0x8089_0000 "BadConfigurationError";
    /// The source is not connected, or its collector stopped.
    BAD_NOT_CONNECTED = 0x808A_0000 "BadNotConnected";
    /// The device reports a fault of its own.
    BAD_DEVICE_FAILURE = 0x808B_0000 "BadDeviceFailure";
    /// The sensor reports a fault of its own.
    BAD_SENSOR_FAILURE = 0x808C_0000 "BadSensorFailure";
    /// Switched off, by hand or by configuration.
    BAD_OUT_OF_SERVICE = 0x808D_0000 "BadOutOfService";
}

impl Quality {
    /// Good, uncertain or bad. The fourth bit pattern, which the standard reserves, counts as bad.
    pub fn severity(self) -> Severity {
        match self.0 >> 30 {
            0 => Severity::Good,
            1 => Severity::Uncertain,
            _ => Severity::Bad,
        }
    }

    /// True if the severity is bad.
    pub fn is_bad(self) -> bool {
        self.severity() == Severity::Bad
    }
}

impl fmt::Display for Quality {
    /// The name, or the number in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_severity_is_the_top_two_bits_whatever_stands_below() {
        let table = [
            (0x0000_0000, Severity::Good),
            (0x0096_0480, Severity::Good),
            (0x4094_0000, Severity::Uncertain),
            (0x8005_0000, Severity::Bad),
            (0xC000_0000, Severity::Bad),
        ];
        for (code, severity) in table {
            assert_eq!(Quality(code).severity(), severity, "I2: {code:#x}");
        }
    }

    #[test]
    fn a_name_ignores_the_information_bits() {
        assert_eq!(Quality(0x8005_0480).to_string(), "BadCommunicationError");
        assert_eq!(Quality(0x8FFF_0000).to_string(), "0x8FFF0000");
    }
}
