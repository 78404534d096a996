// SPDX-License-Identifier: Apache-2.0
import Core

/// A mail of plain text, and its form on the wire (RFC 5322, MIME).
///
/// Whatever the texts hold, they stay inside their header or the body: names and subjects are encoded words, the body is quoted-printable.
public struct MailMessage: Sendable, Equatable {
    public var from: MailAddress
    /// Shown beside the sender's address; empty: nothing.
    public var fromName: String
    public var to: MailAddress
    public var subject: String
    /// Lines end with `\n`.
    public var text: String

    public init(from: MailAddress, fromName: String, to: MailAddress, subject: String, text: String) {
        self.from = from
        self.fromName = fromName
        self.to = to
        self.subject = subject
        self.text = text
    }

    /// Headers and body, lines ended by CR LF.
    ///
    /// - Parameters:
    ///   - identifier: makes the `Message-ID` unique; the same for every attempt to send it, so that receivers recognize a second copy.
    ///   - time: nanoseconds since 1970.
    public func wireForm(identifier: EventID, time: Int64) -> String {
        let sender = fromName.isEmpty ? "<\(from)>" : "\(EncodedWord.encode(fromName))\r\n <\(from)>"
        let headers = [
            "Date: \(MailDate.text(time))",
            "From: \(sender)",
            "To: <\(to)>",
            "Message-ID: <\(identifier)@\(from.domain)>",
            "Subject: \(EncodedWord.encode(subject))",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            // RFC 3834 section 5: nobody's absence notice shall answer it.
            "Auto-Submitted: auto-generated",
        ]
        return headers.joined(separator: "\r\n") + "\r\n\r\n" + QuotedPrintable.encode(text) + "\r\n"
    }
}
