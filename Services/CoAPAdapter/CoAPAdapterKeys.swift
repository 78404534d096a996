// SPDX-License-Identifier: Apache-2.0
import Core
import ServiceKit

/// The adapter's settings: `MARTLET_COAP_ADAPTER_<KEY>` in the environment.
enum CoAPAdapterKeys {
    static let httpPort = StandardKeys.httpPort(default: 9107)

    static let host = ConfigurationKey<String>(
        "coap.host", default: "127.0.0.1", help: "Address that the CoAP ports listen on; :: is IPv6 and IPv4.")

    static let port = ConfigurationKey<Int>(
        "coap.port", default: 5683, range: 1...65_535, help: "CoAP over UDP.")

    static let isPlain = ConfigurationKey<Bool>(
        "coap.plain", default: true, help: "Whether CoAP without DTLS or TLS is served at all.")

    static let tcpPort = ConfigurationKey<Int>(
        "tcp.port", default: 5683, range: 1...65_535, help: "CoAP over TCP (RFC 8323).")

    static let isSecure = ConfigurationKey<Bool>(
        "coap.secure", default: true,
        help: "Whether CoAP with DTLS and TLS is served: by pre-shared keys, and by certificates where one is set.")

    static let securePort = ConfigurationKey<Int>(
        "dtls.port", default: 5684, range: 1...65_535, help: "CoAP over DTLS.")

    static let secureTCPPort = ConfigurationKey<Int>(
        "tls.port", default: 5684, range: 1...65_535, help: "CoAP over TLS (RFC 8323).")

    static let certificate = ConfigurationKey<String>(
        "tls.certificate", default: nil, help: "File of the server's certificate, PEM, for DTLS and TLS."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let key = ConfigurationKey<String>(
        "tls.key", default: nil, help: "File of the certificate's private key, PEM."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let clientAuthority = ConfigurationKey<String>(
        "tls.client.ca", default: nil,
        help:
            "File of the certificate authorities, PEM, whose client certificates are taken; with it, whoever has no pre-shared key must have a certificate."
    ) { $0.isEmpty ? "must not be empty" : nil }

    static let maximumPayload = ConfigurationKey<Int>(
        "payload.maximum.bytes", default: Limits.payloadBytes, range: 1...Limits.payloadBytes,
        help: "The largest payload that is accepted.")

    static let thingRate = ConfigurationKey<Int>(
        "thing.messages.per.second", default: 0, range: 0...1_000_000,
        help: "Messages that one thing may send each second on average, ten seconds' worth at once; 0: no limit.")

    static let domainRate = ConfigurationKey<Int>(
        "domain.messages.per.second", default: 0, range: 0...10_000_000,
        help:
            "Messages that a domain's things may send each second on average, ten seconds' worth at once; 0: no limit.")

    static let addressRate = ConfigurationKey<Int>(
        "address.requests.per.second", default: 100, range: 0...1_000_000,
        help:
            "Requests of one address, or of an IPv6 network of 64 bits, that turn out to be nobody's, each second on average, ten seconds' worth at once; beyond, nothing of it is looked at for a while. 0: no limit."
    )

    static let verifiesAddresses = ConfigurationKey<Bool>(
        "address.verify", default: true,
        help:
            "Whether an answer of more than three times the request, and notifications, wait over plain UDP until the address has answered a ping."
    )

    static let maximumSessions = ConfigurationKey<Int>(
        "sessions.maximum", default: 2_000, range: 1...1_000_000,
        help:
            "Idle peers that are remembered for each port, of DTLS with their security associations; the longest idle is forgotten first. Each costs processor time with every datagram."
    )

    static let sessionTimeout = ConfigurationKey<Int>(
        "session.timeout.seconds", default: 3_600, range: 1...2_592_000,
        help: "After this long without a message a peer is forgotten, of DTLS with its security association.")

    static let maximumExchanges = ConfigurationKey<Int>(
        "requests.maximum", default: 16_384, range: 1...1_000_000,
        help: "Requests under way; more are answered 5.03.")

    static let maximumObservers = ConfigurationKey<Int>(
        "observers.maximum", default: 10_000, range: 0...1_000_000,
        help: "Observations of all clients; beyond, a GET is answered without observing.")

    static let observerRate = ConfigurationKey<Int>(
        "observer.messages.per.second", default: 100, range: 1...100_000,
        help:
            "Notifications to one observer each second on average, as many at once; beyond, only the newest is sent, and the others are counted."
    )

    static let confirmableEvery = ConfigurationKey<Int>(
        "observer.confirmable.every", default: 10, range: 1...1_000,
        help: "Every so many notifications one is confirmable, so that observers that are gone are noticed.")

    static let confirmableSpacing = ConfigurationKey<Int>(
        "observer.confirmable.spacing.milliseconds", default: 5_000, range: 0...3_600_000,
        help: "The least time between confirmable notifications to one observer.")

    static let idle = ConfigurationKey<Int>(
        "observer.idle.seconds", default: 60, range: 1...86_400,
        help: "The first notification after this long without one is confirmable; RFC 7641 wants a day at most.")

    static let alive = ConfigurationKey<Int>(
        "observer.alive.seconds", default: 43_200, range: 1...86_400,
        help:
            "An observer of which nothing is published gets a confirmable notification after this long; RFC 7641 wants a day at most."
    )

    static let all: [any ConfigurationDeclaration] = [
        StandardKeys.busSocket, StandardKeys.httpHost, httpPort, host, port, isPlain, tcpPort, isSecure, securePort,
        secureTCPPort, certificate, key, clientAuthority, maximumPayload, addressRate, verifiesAddresses,
        thingRate, domainRate, maximumSessions, sessionTimeout, maximumExchanges,
        maximumObservers, observerRate, confirmableEvery, confirmableSpacing, idle, alive,
    ]
}
