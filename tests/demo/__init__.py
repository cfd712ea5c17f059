"""The demonstration service: three nouns that use all that operations can do, in the shape of a real service.

machines   an exclusive saga with a child, a job of an engine and six steps; a move with a point of no return;
           a deletion that wins over whatever runs
volumes    what a machine's disk is: created and deleted, by users or as a child
networks   converge: any write is accepted at any time
"""
