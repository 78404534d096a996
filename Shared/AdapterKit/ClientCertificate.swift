// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import SwiftASN1
import X509

/// What a client certificate that TLS has verified says of its holder.
///
/// It names a thing by a subject alternative name that is the URI `urn:uuid:<identifier>` (RFC 9562 section 4); where it has no such name, by a common name of
/// the subject that is the identifier. Other names are not looked at. A certificate that names several things names none.
public struct ClientCertificate: Equatable, Sendable {
    /// nil: it names no thing.
    public let thing: ThingID?
    /// Nanoseconds since 1970.
    public let expiresAt: Int64

    private static let scheme = "urn:uuid:"

    /// - Throws: when the bytes are no certificate.
    public init(der: [UInt8]) throws {
        let certificate = try Certificate(derEncoded: der)
        expiresAt = Int64(clamping: certificate.notValidAfter.timeIntervalSince1970)
        let alternatives = try certificate.extensions.subjectAlternativeNames.map(Array.init) ?? []
        let uris = alternatives.compactMap { name -> ThingID? in
            guard case .uniformResourceIdentifier(let uri) = name,
                uri.prefix(Self.scheme.count).lowercased() == Self.scheme
            else { return nil }
            return ThingID(String(uri.dropFirst(Self.scheme.count)))
        }
        let named = uris.isEmpty ? Self.commonNames(certificate.subject).compactMap { ThingID($0) } : uris
        thing = Set(named).count == 1 ? named.first : nil
    }

    private static func commonNames(_ subject: DistinguishedName) -> [String] {
        subject.flatMap { names in
            names.compactMap { $0.type == .RDNAttributeType.commonName ? String($0.value) : nil }
        }
    }
}

extension Int64 {
    /// Whole nanoseconds of Unix seconds; the least and the greatest number for what lies beyond.
    fileprivate init(clamping seconds: Double) {
        self = Int64(exactly: (seconds * 1e9).rounded(.down)) ?? (seconds < 0 ? .min : .max)
    }
}
