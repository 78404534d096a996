// SPDX-License-Identifier: Apache-2.0

@main struct Executable { static func main() async {} }
