// SPDX-License-Identifier: Apache-2.0

/// The protocol by which a message came in; the text is what is stored.
public struct Transport: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let http = Transport(rawValue: "http")
    public static let webSocket = Transport(rawValue: "ws")
    public static let mqtt = Transport(rawValue: "mqtt")
    public static let coap = Transport(rawValue: "coap")
}
