// SPDX-License-Identifier: Apache-2.0
import NIOSSL
import ServiceKit

extension Listener {
    /// The ports that the settings ask for.
    static func all(_ configuration: ServiceConfiguration) throws -> [Listener] {
        let host = try configuration.required(MQTTAdapterKeys.host)
        var listeners: [Listener] = []
        if try configuration.required(MQTTAdapterKeys.isPlain) {
            listeners.append(
                Listener(kind: .tcp, host: host, port: try configuration.required(MQTTAdapterKeys.port), tls: nil))
        }
        listeners.append(
            Listener(
                kind: .webSocket, host: host, port: try configuration.required(MQTTAdapterKeys.webSocketPort),
                tls: nil))
        guard let settings = try TLSSettings(configuration) else { return listeners }
        listeners.append(
            Listener(
                kind: .tls, host: host, port: try configuration.required(MQTTAdapterKeys.tlsPort),
                // The name that is registered for MQTT (IANA, TLS ALPN Protocol IDs).
                tls: try settings.context(applicationProtocol: "mqtt")))
        listeners.append(
            Listener(
                kind: .webSocketTLS, host: host, port: try configuration.required(MQTTAdapterKeys.webSocketTLSPort),
                // RFC 6455 upgrades HTTP/1.1.
                tls: try settings.context(applicationProtocol: "http/1.1")))
        return listeners
    }
}

/// The server's certificate, and whose client certificates it takes.
private struct TLSSettings {
    let certificate: String
    let key: String
    let clientAuthority: String?
    let isClientRequired: Bool

    /// - Returns: nil when there is no certificate.
    init?(_ configuration: ServiceConfiguration) throws {
        clientAuthority = configuration.optional(MQTTAdapterKeys.clientAuthority)
        isClientRequired = try configuration.required(MQTTAdapterKeys.clientRequired)
        if isClientRequired, clientAuthority == nil { throw Self.missing(MQTTAdapterKeys.clientAuthority) }
        switch (configuration.optional(MQTTAdapterKeys.certificate), configuration.optional(MQTTAdapterKeys.key)) {
        case (nil, nil):
            // Client certificates would be asked for nowhere.
            if clientAuthority != nil { throw Self.missing(MQTTAdapterKeys.certificate) }
            return nil
        case (let certificate?, let key?): (self.certificate, self.key) = (certificate, key)
        case (_?, nil): throw Self.missing(MQTTAdapterKeys.key)
        case (nil, _?): throw Self.missing(MQTTAdapterKeys.certificate)
        }
    }

    private static func missing(_ key: ConfigurationKey<String>) -> ConfigurationError {
        .missing(key: key.name, help: key.help)
    }

    func context(applicationProtocol: String) throws -> NIOSSLContext {
        let authorities = try clientAuthority.map(Self.authorities)
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = [applicationProtocol]
            if let authorities {
                configuration.trustRoots = .certificates(authorities)
                configuration.sendCANameList = true
                configuration.certificateVerification =
                    isClientRequired ? .noHostnameVerification : .optionalVerification
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ConfigurationError.invalid(
                key: MQTTAdapterKeys.certificate.name,
                problem: "and '\(MQTTAdapterKeys.key.name)' cannot be used: \(error)")
        }
    }

    private static func authorities(_ file: String) throws -> [NIOSSLCertificate] {
        let key = MQTTAdapterKeys.clientAuthority.name
        let authorities: [NIOSSLCertificate]
        do {
            authorities = try NIOSSLCertificate.fromPEMFile(file)
        } catch {
            throw ConfigurationError.invalid(key: key, problem: "cannot be used: \(error)")
        }
        guard !authorities.isEmpty else {
            throw ConfigurationError.invalid(key: key, problem: "names a file without a certificate")
        }
        return authorities
    }
}
