// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads a password, a key or a token where nobody can look over the shoulder of the process: from the terminal without echo, or from standard input. Never from an
/// argument, which every process of the machine can see.
enum PasswordPrompt {
    private static let maximumBytes = 4096

    /// - Parameter fromStandardInput: the first line of it, as a script says with `--password-stdin`.
    static func read(_ prompt: String, fromStandardInput: Bool) throws -> String {
        let password = try fromStandardInput ? line(from: 0) : ask(prompt)
        guard !password.isEmpty else { throw CommandFailure.usage("nothing was given for '\(name(of: prompt))'") }
        return password
    }

    /// Whether standard input is something else than a terminal, and may bring what is asked for.
    static var isStandardInputGiven: Bool { isatty(0) == 0 }

    private static func name(of prompt: String) -> Substring { prompt.prefix { $0 != ":" } }

    private static func ask(_ prompt: String) throws -> String {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else {
            throw CommandFailure.usage(
                "there is no terminal to ask for '\(name(of: prompt))' on",
                advice: "give it on standard input; --help says how")
        }
        defer { close(terminal) }
        var before = termios()
        guard tcgetattr(terminal, &before) == 0 else {
            throw CommandFailure.usage("the terminal cannot hide what is typed: \(PrivateFile.systemError())")
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(terminal, TCSAFLUSH, &silent)
        // Also when Ctrl-C ends the waiting.
        defer { tcsetattr(terminal, TCSAFLUSH, &before) }
        Console.write(prompt, to: terminal)
        defer { Console.write("\n", to: terminal) }
        return try line(from: terminal)
    }

    /// Byte by byte, so that nothing behind the line is taken away from whoever reads on.
    private static func line(from descriptor: Int32) throws -> String {
        var bytes: [UInt8] = []
        while bytes.count <= maximumBytes {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // Ctrl-C cancels the task, which a blocking read would not notice.
            if poll(&waiting, 1, 100) == 0 {
                try Task.checkCancellation()
                continue
            }
            var byte: UInt8 = 0
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count == 1, byte != UInt8(ascii: "\n") else { break }
            bytes.append(byte)
        }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure.usage("what was given is not UTF-8")
        }
        return text
    }
}
