// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The settings of `things`.
enum ThingsKeys {
    static let httpPort = StandardKeys.httpPort(default: 8182)
    static let maximumConnections = ConfigurationKey<Int>(
        "database.connections", default: 8, range: 1...64,
        help: "Connections to PostgreSQL at most; adapters' questions and the API share them.")

    /// The file's name is no secret, its content is, and goes nowhere else.
    static let secretsKeyFile = ConfigurationKey<String>(
        "secrets.key.file", default: nil,
        help:
            "File with the key that encrypts pre-shared keys in the database: 32 bytes in base64; further lines: keys that it replaces. Without it none can be made."
    ) { path in
        do throws(SecretKeyRing.Malformed) {
            _ = try SecretKeyFile.read(path)
            return nil
        } catch {
            return error.description
        }
    }

    static let all: [any ConfigurationDeclaration] = [
        httpPort, StandardKeys.busSocket, StandardKeys.databaseURL, maximumConnections,
        secretsKeyFile,
    ]
}
