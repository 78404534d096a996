// SPDX-License-Identifier: Apache-2.0
import Identity
import Mail
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
        help: "Failed logins allowed for one identity from one place in a minute; ten times as many for one address.")

    public static let lockOutFailures = ConfigurationKey<Int>(
        "lockout.failures", default: 10, range: 3...100_000,
        help: "Wrong passwords in a row after which an identity is locked to a place.")

    public static let lockOutSeconds = ConfigurationKey<Int>(
        "lockout.seconds", default: 30, range: 1...3_600,
        help: "First wait of a locked identity in seconds; each further wrong password doubles it, up to an hour.")

    public static let passwordCost = ConfigurationKey<Int>(
        "password.cost", default: PasswordHasher.Cost.standard.log2N, range: 10...18,
        help: "scrypt's cost: the binary logarithm of N, with r = 8 and p = 3.")

    public static let smtpHost = ConfigurationKey<String>(
        "smtp.host", default: nil, help: "The mail server; without it no mail is sent and routes that need it say so."
    ) { SMTPConfiguration.problem(host: $0) }

    public static let smtpPort = ConfigurationKey<Int>(
        "smtp.port", default: 587, range: 1...65_535, help: "The mail server's port.")

    public static let smtpSecurity = ConfigurationKey<String>(
        "smtp.security", default: "starttls", help: "starttls, tls (from the first byte) or none (same machine only)."
    ) { SMTPConfiguration.Security(rawValue: $0) == nil ? "must be starttls, tls or none" : nil }

    public static let smtpUsername = ConfigurationKey<String>(
        "smtp.username", default: nil, help: "Who logs in to the mail server; nobody without it.")

    public static let smtpPassword = ConfigurationKey<String>(
        "smtp.password", default: nil, help: "The password for the mail server.", isSecret: true)

    public static let smtpAuthorityFile = ConfigurationKey<String>(
        "smtp.ca.file", default: nil,
        help: "PEM file of the authorities that sign the mail server's certificate; the system's without it.")

    public static let smtpFrom = ConfigurationKey<String>(
        "smtp.from", default: nil, help: "The sender's address."
    ) { MailAddress($0) == nil ? "must be an e-mail address" : nil }

    public static let smtpFromName = ConfigurationKey<String>(
        "smtp.from.name", default: "Martlet", help: "The sender's name.")

    public static let passwordResetMinutes = ConfigurationKey<Int>(
        "password.reset.minutes", default: 30, range: 5...1_440,
        help: "How long the token of a mail is good for a new password.")

    public static let passwordResetPage = ConfigurationKey<String>(
        "password.reset.page", default: nil,
        help: "URL of the page for choosing a new password, with {token} in it; without it the mail holds the token."
    ) { $0.contains("{token}") ? nil : "must contain {token}" }

    public static let invitationPage = ConfigurationKey<String>(
        "invitation.page", default: nil,
        help: "URL of the page for accepting an invitation, with {token} in it; without it the mail holds the token."
    ) { $0.contains("{token}") ? nil : "must contain {token}" }

    private static let mail: [any ConfigurationDeclaration] = [
        smtpHost, smtpPort, smtpSecurity, smtpUsername, smtpPassword, smtpAuthorityFile, smtpFrom, smtpFromName,
        passwordResetMinutes, passwordResetPage, invitationPage,
    ]

    private static let access: [any ConfigurationDeclaration] = [
        port, StandardKeys.busSocket, StandardKeys.databaseURL, adminEmail, adminPassword, selfRegister,
        accessTokenSeconds, refreshTokenHours, keyRotationDays, loginsPerMinute, lockOutFailures, lockOutSeconds,
        passwordCost,
    ]

    public static let all: [any ConfigurationDeclaration] = access + mail
}
