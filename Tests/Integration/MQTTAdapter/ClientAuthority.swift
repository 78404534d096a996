// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto
import Foundation
import SwiftASN1
import TestKit
import X509

/// A certificate authority of a test, whose certificates lie as PEM files in a folder of its own.
struct ClientAuthority {
    /// A certificate and its key, as files.
    struct Issued {
        let certificate: String
        let key: String
    }

    let directory: TemporaryDirectory
    /// What the server is given to believe.
    let certificate: String
    private let name: DistinguishedName
    private let key: Certificate.PrivateKey
    /// What stands behind a certificate in its file: the authority's own, where another has signed that.
    private let chain: String

    /// - Parameter superior: who signs for it; nil: itself.
    init(below superior: ClientAuthority? = nil) throws {
        directory = try TemporaryDirectory("authority")
        certificate = directory.file("ca.pem")
        key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        name = try DistinguishedName { CommonName("Devices of a test \(ThingID.new())") }
        let authority = try Self.certificate(
            name, key.publicKey, issuer: superior?.name ?? name, signedBy: superior?.key ?? key, from: -60,
            until: 3_600,
            try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            })
        let text = try authority.serializeAsPEM().pemString
        try Self.write(text, to: certificate)
        chain = superior == nil ? "" : "\n" + text
    }

    /// - Parameters:
    ///   - seconds: how long it is good for from now on.
    ///   - isServer: for servers instead of clients.
    func issue(
        commonName: String = "device", uris: [String] = [], seconds: Double = 3_600, isServer: Bool = false
    ) throws -> Issued {
        let number = ThingID.new()
        let issued = Issued(
            certificate: directory.file("\(number).pem"), key: directory.file("\(number)-key.pem"))
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let certificate = try Self.certificate(
            try DistinguishedName { CommonName(commonName) }, key.publicKey, issuer: name, signedBy: self.key,
            from: -3_600, until: seconds,
            try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                try ExtendedKeyUsage([isServer ? .serverAuth : .clientAuth])
                if !uris.isEmpty {
                    SubjectAlternativeNames(uris.map { GeneralName.uniformResourceIdentifier($0) })
                }
            })
        try Self.write(certificate.serializeAsPEM().pemString + chain, to: issued.certificate)
        try Self.write(key.serializeAsPEM().pemString, to: issued.key)
        return issued
    }

    private static func certificate(
        _ subject: DistinguishedName, _ publicKey: Certificate.PublicKey, issuer: DistinguishedName,
        signedBy key: Certificate.PrivateKey, from: Double, until: Double, _ extensions: Certificate.Extensions
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: Date(timeIntervalSinceNow: from), notValidAfter: Date(timeIntervalSinceNow: until),
            issuer: issuer, subject: subject, extensions: extensions, issuerPrivateKey: key)
    }

    private static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
}
