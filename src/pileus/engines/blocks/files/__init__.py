"""Block storage in files: a volume is a sparse raw file, a snapshot another; copies share blocks where the file system can.

    <home>/volumes/<id>               a volume
    <home>/snapshots/<id>.<volume>    a snapshot, and of which volume it was made
    <home>/exports/<id>.json          who may open a volume, and how
    <home>/uploads/<id>               where a volume was sent to last

Files of unfinished work begin with a dot. A guest of this host opens the file itself; a host elsewhere gets an NBD export,
under the certificates of the cloud (`exports`).
"""

from pileus.engines.blocks.files.engine import FilesBlocks

__all__ = ["FilesBlocks"]
