// SPDX-License-Identifier: Apache-2.0
import Core
import ServiceKit

/// The settings of an ``IngestPolicy``, the same for every adapter that devices speak to.
public enum IngestKeys {
    public static let maximumPayload = ConfigurationKey<Int>(
        "payload.maximum.bytes", default: Limits.payloadBytes, range: 1...Limits.payloadBytes,
        help: "The largest payload that is accepted.")

    public static let thingRate = ConfigurationKey<Int>(
        "thing.messages.per.second", default: 0, range: 0...1_000_000,
        help: "Messages that one thing may send each second on average, ten seconds' worth at once; 0: no limit.")

    public static let domainRate = ConfigurationKey<Int>(
        "domain.messages.per.second", default: 0, range: 0...10_000_000,
        help:
            "Messages that a domain's things may send each second on average, ten seconds' worth at once; 0: no limit.")

    public static let all: [any ConfigurationDeclaration] = [maximumPayload, thingRate, domainRate]
}

extension IngestPolicy {
    /// As ``IngestKeys`` say.
    public convenience init(_ configuration: ServiceConfiguration) throws(ConfigurationError) {
        self.init(
            maximumPayloadBytes: try configuration.required(IngestKeys.maximumPayload),
            perThing: RateLimit(messagesPerSecond: try configuration.required(IngestKeys.thingRate)),
            perDomain: RateLimit(messagesPerSecond: try configuration.required(IngestKeys.domainRate)))
    }
}

extension RateLimit {
    /// So many messages a second on average, ten seconds' worth at once.
    /// - Returns: nil for 0, which is no limit.
    public init?(messagesPerSecond: Int) {
        self.init(perSecond: Double(messagesPerSecond), burst: Double(messagesPerSecond) * 10)
    }
}
