// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// `martlet completions`
struct CompletionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Let the shell complete martlet's commands and options.",
        discussion: """
              martlet completions             install for your shell ($SHELL)
              martlet completions zsh         install for another
              martlet completions fish --print  only show the script
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish

        var completion: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell?
    @Flag(help: "Print the script instead of installing it.")
    var print = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let name = (environment["SHELL"] ?? "").split(separator: "/").last.map(String.init) ?? ""
        guard let shell = shell ?? Shell(rawValue: name) else {
            throw CommandFailure.usage("for which shell?", advice: "martlet completions bash, zsh or fish")
        }
        let script = MartletCommand.completionScript(for: shell.completion)
        let console = Console(isJSON: false, environment: environment)
        if self.print { return console.print(script) }
        let path = Self.path(shell, environment)
        do {
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try script.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw CommandFailure.usage("cannot write \(path): \(error.localizedDescription)")
        }
        console.print("Written to \(path). \(Self.advice(shell, path))")
    }

    /// Where each shell looks by itself, or by one line in its settings.
    static func path(_ shell: Shell, _ environment: [String: String]) -> String {
        let home = environment["HOME"] ?? NSHomeDirectory()
        let data = environment["XDG_DATA_HOME"] ?? "\(home)/.local/share"
        let configuration = environment["XDG_CONFIG_HOME"] ?? "\(home)/.config"
        switch shell {
        case .bash: return "\(data)/bash-completion/completions/martlet"
        case .zsh: return "\(data)/zsh/site-functions/_martlet"
        case .fish: return "\(configuration)/fish/completions/martlet.fish"
        }
    }

    private static func advice(_ shell: Shell, _ path: String) -> String {
        switch shell {
        case .bash: "New shells have it, where the package bash-completion is installed; here: source \(path)"
        case .zsh:
            "In ~/.zshrc, before compinit: fpath=(\((path as NSString).deletingLastPathComponent) $fpath)"
        case .fish: "New shells have it."
        }
    }
}
