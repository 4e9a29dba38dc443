/// A command that restores the bytes of its arguments with `ArgumentText.bytes(of:)` if they may be
/// other than UTF-8. Arguments of other commands must be UTF-8.
protocol TakesByteArguments {}
