"""The Automatic widget: segment everything on a plane, through a stack, in several layers."""
