// SPDX-License-Identifier: Apache-2.0

/// The versions that are spoken, by the protocol level of CONNECT (MQTT 3.1.1 and 5, section 3.1.2.2).
package enum ProtocolVersion: UInt8, Sendable, CaseIterable {
    case v311 = 4
    case v5 = 5
}

/// Which end of the connection sent a packet: some packets, properties and reason codes go one way only.
package enum Sender: Sendable {
    case client
    case server
}

/// Quality of service (section 4.3 of both versions).
package enum QualityOfService: UInt8, Sendable, Comparable, CaseIterable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2

    package static func < (left: QualityOfService, right: QualityOfService) -> Bool { left.rawValue < right.rawValue }
}
