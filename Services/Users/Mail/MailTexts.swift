// SPDX-License-Identifier: Apache-2.0
import Core
import Mail
import Observability

/// What mails say.
struct MailTexts: Sendable {
    let settings: MailSettings

    private func message(to: MailAddress, subject: String, _ text: String) -> MailMessage {
        MailMessage(from: settings.from, fromName: settings.fromName, to: to, subject: subject, text: text)
    }

    func passwordReset(to: MailAddress, token: String) -> MailMessage {
        message(
            to: to, subject: "Choose a new password",
            """
            Somebody, probably you, asked for a new password for \(to).

            \(way(settings.resetPage, token, otherwise: "PUT /password/reset"))

            This works once, within \(settings.resetLifetimeSeconds / 60) minutes. If it was not you, do nothing: your password stays as it is.
            """)
    }

    func passwordChanged(to: MailAddress, time: Int64) -> MailMessage {
        message(
            to: to, subject: "Your password was changed",
            """
            The password of \(to) was changed at \(Timestamp.rfc3339(time)).

            If it was not you, ask for a new password at once, and tell your administrator.
            """)
    }

    func identityChanged(to: MailAddress, time: Int64) -> MailMessage {
        message(
            to: to, subject: "Your login was changed",
            """
            The account that logged in as \(to) has had another login name since \(Timestamp.rfc3339(time)).

            If it was not you, tell your administrator at once.
            """)
    }

    func userRemoved(to: MailAddress, time: Int64) -> MailMessage {
        message(
            to: to, subject: "Your account was removed",
            """
            The account that logged in as \(to) was removed at \(Timestamp.rfc3339(time)).

            If it was not you, and nobody told you, ask your administrator.
            """)
    }

    func invitation(to: MailAddress, domain: String, token: String, until: Int64) -> MailMessage {
        message(
            to: to, subject: "Invitation to \(domain)",
            """
            You are invited to the domain "\(domain)".

            \(way(settings.invitationPage, token, otherwise: "POST /invitations/accept"))

            The invitation is good until \(Timestamp.rfc3339(until)). If you do not know what this is about, do nothing.
            """)
    }

    private func way(_ page: String?, _ token: String, otherwise request: String) -> String {
        guard let page else { return "The token, for \(request):\n\n\(token)" }
        return "Open this page:\n\n\(page.replacing("{token}", with: token))"
    }
}
