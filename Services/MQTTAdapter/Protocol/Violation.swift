// SPDX-License-Identifier: Apache-2.0

/// A rule of the specification that a packet broke: the connection ends, in MQTT 5 with this reason (section 4.13).
///
/// Only static text, so that a flood of bad packets allocates nothing.
package struct Violation: Error, Equatable, CustomStringConvertible {
    package let reason: ReasonCode
    /// The normative statement of MQTT 5, `MQTT-x.y.z-n`, or `section x.y.z` where the rule has no number.
    package let statement: StaticString
    /// What was wrong, in a few words.
    package let detail: StaticString

    package init(_ reason: ReasonCode, _ statement: StaticString, _ detail: StaticString) {
        self.reason = reason
        self.statement = statement
        self.detail = detail
    }

    package var description: String { "\(reason.name): \(detail) [\(statement)]" }

    package static func == (left: Violation, right: Violation) -> Bool {
        left.reason == right.reason && left.statement.description == right.statement.description
            && left.detail.description == right.detail.description
    }
}
