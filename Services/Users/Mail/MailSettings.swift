// SPDX-License-Identifier: Apache-2.0
import Core
import Mail
import ServiceKit

/// How mails are sent and what stands in them, from the configuration.
struct MailSettings: Sendable {
    var transport: SMTPTransport
    var from: MailAddress
    var fromName: String
    /// The page on which a new password is chosen; `{token}` stands for the token.
    var resetPage: String?
    /// The page on which an invitation is accepted; `{token}` stands for the token.
    var invitationPage: String?
    var resetLifetimeSeconds: Int64

    /// - Returns: nil when no mail server is configured.
    /// - Throws: ``ConfigurationError`` when what is configured does not fit together.
    init?(_ configuration: ServiceConfiguration) throws {
        guard let host = configuration.optional(UsersKeys.smtpHost) else { return nil }
        guard let sender = configuration.optional(UsersKeys.smtpFrom), let from = MailAddress(sender) else {
            throw ConfigurationError.missing(key: UsersKeys.smtpFrom.name, help: UsersKeys.smtpFrom.help)
        }
        let security =
            SMTPConfiguration.Security(rawValue: try configuration.required(UsersKeys.smtpSecurity)) ?? .starttls
        let username = configuration.optional(UsersKeys.smtpUsername)
        guard username == nil || security != .none || ["localhost", "127.0.0.1", "::1"].contains(host) else {
            throw ConfigurationError.invalid(
                key: UsersKeys.smtpSecurity.name, problem: "must not be 'none' with a password for another machine")
        }
        self.from = from
        fromName = try configuration.required(UsersKeys.smtpFromName)
        resetPage = configuration.optional(UsersKeys.passwordResetPage)
        invitationPage = configuration.optional(UsersKeys.invitationPage)
        resetLifetimeSeconds = Int64(try configuration.required(UsersKeys.passwordResetMinutes)) * 60
        transport = SMTPTransport(
            SMTPConfiguration(
                host: host, port: try configuration.required(UsersKeys.smtpPort), security: security,
                username: username, password: configuration.optional(UsersKeys.smtpPassword),
                authorityFile: configuration.optional(UsersKeys.smtpAuthorityFile), helloName: from.domain))
    }
}
