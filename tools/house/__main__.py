"""python3 -m house VERB: called by ./tern."""
import sys

from house import bench, boot, build, demo, exec as exec_, lab, test
from house.say import Failure, say

VERBS = {"bench": bench, "boot": boot, "build": build, "demo": demo, "exec": exec_, "lab": lab, "test": test}


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    try:
        return VERBS[verb].main(arguments)
    except Failure as failure:
        say(f"{failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


sys.exit(main())
