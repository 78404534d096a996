// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import NIOCore
import ServiceKit

/// What operators set that is no limit.
struct OperatorSettings: Sendable {
    /// How often `$SYS/…` is brought up to date; nil: never, and nobody may subscribe to it.
    var systemInterval: TimeAmount?
    /// Identifiers of the things that may read `$SYS/…`, and of the domains all of whose things may.
    var systemReaders: Set<EntityID> = []
    /// Another server, as MQTT 5 section 4.11 writes it; nil: none.
    var serverReference: String?

    /// Whether the TLS listeners take clients with a certificate only.
    var requiresCertificate = false
    /// Whose word is taken for where a client comes from that speaks MQTT over WebSocket.
    private var proxies = TrustedProxies.nobody

    /// A reference is sent in one packet with a reason.
    static let maximumReferenceBytes = 1_024

    init() {}

    init(_ configuration: ServiceConfiguration) throws {
        let seconds = try configuration.required(MQTTAdapterKeys.systemInterval)
        if let text = configuration.optional(MQTTAdapterKeys.systemReaders) {
            systemReaders = Set(text.split(separator: " ").compactMap { EntityID(String($0)) })
        }
        if seconds > 0, !systemReaders.isEmpty { systemInterval = .seconds(Int64(seconds)) }
        proxies = TrustedProxies(configuration.optional(StandardKeys.trustedProxies) ?? "loopback")
        requiresCertificate = try configuration.required(MQTTAdapterKeys.clientRequired)
        serverReference = configuration.optional(MQTTAdapterKeys.redirectReference)
    }

    /// Where a client comes from, by its peer and what that says if it is a proxy.
    func callerAddress(peer: String, forwardedFor: String?) -> String {
        proxies.callerAddress(peer: peer, forwardedFor: forwardedFor)
    }

    /// What is wrong with a list of identifiers; nil: nothing.
    static func problem(ofReaders text: String) -> String? {
        let parts = text.split(separator: " ")
        return !parts.isEmpty && parts.allSatisfy { EntityID(String($0)) != nil }
            ? nil : "must be UUIDs with spaces between them"
    }
}
