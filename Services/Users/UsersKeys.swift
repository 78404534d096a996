// SPDX-License-Identifier: Apache-2.0
import Identity
import ServiceKit

/// The settings of `users`.
public enum UsersKeys {
    public static let port = StandardKeys.httpPort(default: 8180)

    public static let adminEmail = ConfigurationKey<String>(
        "admin.email", default: nil,
        help: "The first administrator's e-mail; created at start when there is no such user.")

    public static let adminPassword = ConfigurationKey<String>(
        "admin.password", default: nil, help: "The first administrator's password.", isSecret: true
    ) { Credentials.problem(secret: $0) }

    public static let selfRegister = ConfigurationKey<Bool>(
        "self.register", default: false,
        help: "Whether anybody may register; otherwise only an administrator adds users.")

    public static let accessTokenSeconds = ConfigurationKey<Int>(
        "access.token.seconds", default: 900, range: 60...Int(AccessTokenClaims.maximumLifetimeSeconds),
        help: "Life of an access token in seconds.")

    public static let refreshTokenHours = ConfigurationKey<Int>(
        "refresh.token.hours", default: 168, range: 1...8_760,
        help: "Life of a refresh token in hours; each refresh begins it anew.")

    public static let keyRotationDays = ConfigurationKey<Int>(
        "key.rotation.days", default: 30, range: 1...3_650, help: "Age in days at which the signing key is replaced.")

    public static let loginsPerMinute = ConfigurationKey<Int>(
        "logins.per.minute", default: 10, range: 1...100_000,
        help: "Failed logins allowed for one identity in a minute; ten times as many for one address.")

    public static let lockOutFailures = ConfigurationKey<Int>(
        "lockout.failures", default: 10, range: 3...100_000,
        help: "Wrong passwords in a row after which an identity is locked.")

    public static let lockOutSeconds = ConfigurationKey<Int>(
        "lockout.seconds", default: 30, range: 1...3_600,
        help: "First wait of a locked identity in seconds; each further wrong password doubles it, up to an hour.")

    public static let passwordCost = ConfigurationKey<Int>(
        "password.cost", default: PasswordHasher.Cost.standard.log2N, range: 10...18,
        help: "scrypt's cost: the binary logarithm of N, with r = 8 and p = 3.")

    public static let all: [any ConfigurationDeclaration] = [
        port, StandardKeys.busSocket, StandardKeys.databaseURL, adminEmail, adminPassword, selfRegister,
        accessTokenSeconds, refreshTokenHours, keyRotationDays, loginsPerMinute, lockOutFailures, lockOutSeconds,
        passwordCost,
    ]
}
