// SPDX-License-Identifier: Apache-2.0

extension CommandFailure {
    /// Reads a refusal: `application/problem+json` (RFC 9457) where it is one, else what can be said of a bare status.
    ///
    /// - Parameter path: what was asked for, to name it where the answer says nothing.
    init(status: Int, body: [UInt8], path: String) {
        let document = try? JSONParser.parse(body)
        let reason = document?["reason"]?.text
        let detail = document?["detail"]?.text ?? document?["title"]?.text ?? document?["error"]?.text
        let message = detail.map(Self.sentence) ?? "the server answered \(status) to \(path)"
        self.init(
            Self.exitStatus(of: status), reason.map { "\(message) (\($0))" } ?? message,
            advice: Self.advice(status: status, reason: reason), reason: reason, httpStatus: status)
    }

    private static func exitStatus(of status: Int) -> ExitStatus {
        switch status {
        case 401: .notAuthenticated
        case 429, 500...599: .unreachable
        default: .refused
        }
    }

    /// Some services write sentences, some phrases; one style here.
    private static func sentence(_ detail: String) -> String {
        var text = detail
        if text.hasSuffix(".") { text.removeLast() }
        guard let first = text.first, first.isUppercase, text.dropFirst().first?.isLowercase == true else {
            return text
        }
        return first.lowercased() + text.dropFirst()
    }

    private static func advice(status: Int, reason: String?) -> String? {
        switch (status, reason) {
        case (_, "wrong-credentials"?): "check the identity and the password"
        case (_, "unknown-key"?), (_, "key-of-another-thing"?):
            "the thing may be disabled, removed, or have a new key: martlet things view <thing>"
        case (_, "invalid-reset-token"?): "have another mailed: martlet password request-reset <identity>"
        case (_, "invalid-key"?): "make another: martlet keys create <name> --scope <action>"
        case (401, _): "log in again: martlet login"
        case (_, "login-needed"?): "log in with your password: martlet login --profile <another name>"
        case (_, "unknown-invitation"?): "martlet invitations list --mine shows yours"
        case (_, "more-than-own-rights"?): "whoever has these rights can give, take and change them"
        case (_, "tree-too-large"?): "show less of it: martlet groups tree <group> --levels 2"
        case (_, "publish-not-allowed"?): "connect the thing first: martlet connect <thing> <channel> --publish"
        case (_, "subscribe-not-allowed"?): "connect the thing first: martlet connect <thing> <channel> --subscribe"
        case (_, "unknown-channel"?):
            "martlet channels list shows yours; a thing sees only those that it is connected to (martlet connect)"
        case (_, "no-domain"?): "choose one: martlet domains use <domain>"
        case (403, _): "your role in this domain does not allow it; martlet whoami shows who you are"
        case (413, _): "send less at once"
        case (429, _): "wait a little, then try again"
        case (503, "service-away"?): "martlet status shows which service is away"
        case (503, _): "try again; nothing is wrong with the request"
        case (500...599, _): "martlet status shows which service is ill"
        default: nil
        }
    }
}
