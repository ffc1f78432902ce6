/// Data that start of day writes and that nobody may write afterwards.
#pragma once

/// For a global variable: writable until start of day loads the final translations.
#define SEALED [[gnu::section(".sealed")]] constinit
