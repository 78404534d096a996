// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Glibc

/// Where an endpoint listens.
struct ListenAddress: Sendable, Equatable {
    var transport: CoAPTransport
    /// An IPv4 or IPv6 address; `::` serves both.
    var host: String
    var port: UInt16
}

extension ListenAddress {
    /// - Returns: nil when the host is no address.
    var socketAddress: coap_address_t? {
        var address = coap_address_t()
        coap_address_init(&address)
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, host, &ipv4) == 1 {
            address.addr.sin.sin_family = sa_family_t(AF_INET)
            address.addr.sin.sin_addr = ipv4
            address.size = socklen_t(MemoryLayout<sockaddr_in>.size)
        } else if inet_pton(AF_INET6, host, &ipv6) == 1 {
            address.addr.sin6.sin6_family = sa_family_t(AF_INET6)
            address.addr.sin6.sin6_addr = ipv6
            address.size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        } else {
            return nil
        }
        coap_address_set_port(&address, port)
        return address
    }
}

extension PeerAddress {
    init(_ address: coap_address_t) {
        var address = address
        let port = coap_address_get_port(&address)
        guard Int32(address.addr.sa.sa_family) == AF_INET6 else {
            self.init(ipv4: UInt32(bigEndian: address.addr.sin.sin_addr.s_addr), port: port)
            return
        }
        let (high, low) = withUnsafeBytes(of: &address.addr.sin6.sin6_addr) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self.init(high: high, low: low, port: port)
    }
}

extension CoAPTransport {
    /// nil for what is served nowhere.
    init?(_ transport: coap_proto_t) {
        switch transport {
        case COAP_PROTO_UDP: self = .udp
        case COAP_PROTO_DTLS: self = .dtls
        case COAP_PROTO_TCP: self = .tcp
        case COAP_PROTO_TLS: self = .tls
        default: return nil
        }
    }

    var libraryValue: coap_proto_t {
        switch self {
        case .udp: COAP_PROTO_UDP
        case .dtls: COAP_PROTO_DTLS
        case .tcp: COAP_PROTO_TCP
        case .tls: COAP_PROTO_TLS
        }
    }
}
