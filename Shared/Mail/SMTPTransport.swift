// SPDX-License-Identifier: Apache-2.0
import CCurl
import NIOPosix

/// Hands mails to an SMTP server (RFC 5321) by libcurl: EHLO, STARTTLS, AUTH and dot-stuffing are its work.
///
/// A transfer blocks, so it runs on a thread of its own; one at a time, in the order of the calls.
public struct SMTPTransport: Sendable {
    private static let connectTimeoutMilliseconds = 10_000
    /// For the whole exchange.
    public static let timeoutMilliseconds = 30_000

    private static let thread: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        // Once in the process and before any other call; the lazy initialization of this constant sees to that.
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        return pool
    }()

    private let configuration: SMTPConfiguration

    public init(_ configuration: SMTPConfiguration) { self.configuration = configuration }

    /// Sends one mail.
    /// - Parameter wireForm: ``MailMessage/wireForm(identifier:time:)``.
    /// - Throws: when the server did not say that it took the mail. It may have taken it all the same when the connection broke at the end.
    public func send(_ wireForm: String, from: MailAddress, to: MailAddress) async throws(MailError) {
        let configuration = configuration
        let outcome: MailError?
        do {
            outcome = try await Self.thread.runIfActive {
                Self.transfer(wireForm, from: from, to: to, by: configuration)
            }
        } catch {
            throw MailError(.deferred, "the mail thread has ended")
        }
        if let outcome { throw outcome }
    }

    /// - Returns: nil when the server took the mail.
    private static func transfer(
        _ wireForm: String, from: MailAddress, to: MailAddress, by configuration: SMTPConfiguration
    ) -> MailError? {
        guard let handle = curl_easy_init() else { return MailError(.deferred, "libcurl has no handle") }
        defer { curl_easy_cleanup(handle) }
        guard let recipients = curl_slist_append(nil, "<\(to)>") else {
            return MailError(.deferred, "libcurl has no memory")
        }
        defer { curl_slist_free_all(recipients) }
        let bytes = Array(wireForm.utf8CString)
        return bytes.withUnsafeBufferPointer { buffer in
            // Without the NUL at the end.
            var payload = curl_payload(bytes: buffer.baseAddress, count: buffer.count - 1, position: 0)
            return withUnsafeMutablePointer(to: &payload) { payload in
                var code = prepare(handle, by: configuration)
                if code == CURLE_OK { code = curl_set_text(handle, CURLOPT_MAIL_FROM, "<\(from)>") }
                if code == CURLE_OK { code = curl_set_list(handle, CURLOPT_MAIL_RCPT, recipients) }
                if code == CURLE_OK { code = curl_set_payload(handle, payload) }
                if code == CURLE_OK { code = curl_easy_perform(handle) }
                return code == CURLE_OK ? nil : failure(code, answer: curl_last_code(handle))
            }
        }
    }

    private static func prepare(_ handle: UnsafeMutableRawPointer, by configuration: SMTPConfiguration) -> CURLcode {
        let scheme = configuration.security == .tls ? "smtps" : "smtp"
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        var texts: [(CURLoption, String)] = [
            (CURLOPT_URL, "\(scheme)://\(host):\(configuration.port)/\(configuration.helloName)"),
            (CURLOPT_PROTOCOLS_STR, "smtp,smtps"),
            // Not by a proxy that the environment names.
            (CURLOPT_PROXY, ""),
        ]
        if let username = configuration.username, let password = configuration.password {
            texts += [(CURLOPT_USERNAME, username), (CURLOPT_PASSWORD, password)]
        }
        if let file = configuration.authorityFile { texts.append((CURLOPT_CAINFO, file)) }
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_UPLOAD, 1), (CURLOPT_NOSIGNAL, 1),
            (CURLOPT_CONNECTTIMEOUT_MS, connectTimeoutMilliseconds), (CURLOPT_TIMEOUT_MS, timeoutMilliseconds),
            (
                CURLOPT_USE_SSL,
                Int(configuration.security == .none ? CURLUSESSL_NONE.rawValue : CURLUSESSL_ALL.rawValue)
            ),
            (CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2), (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
        ]
        for (option, text) in texts {
            let code = curl_set_text(handle, option, text)
            if code != CURLE_OK { return code }
        }
        for (option, number) in numbers {
            let code = curl_set_number(handle, option, number)
            if code != CURLE_OK { return code }
        }
        return CURLE_OK
    }

    private static func failure(_ code: CURLcode, answer: Int) -> MailError {
        // RFC 5321 section 4.2.3: no such mailbox, not local, name not allowed. Everything else may be the server's trouble or a setting.
        let isRefused = [550, 551, 553].contains(answer) && code == CURLE_SEND_ERROR
        let reason = curl_easy_strerror(code).map { String(cString: $0) } ?? "error \(code.rawValue)"
        return MailError(
            isRefused ? .refused : .deferred, answer == 0 ? reason : "\(reason) (the server said \(answer))")
    }
}
