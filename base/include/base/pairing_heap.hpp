/// Intrusive priority queue: the links live in the members, so that nothing is ever allocated.
///
/// A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): inserting costs O(1), taking the least or any other
/// member O(log n) amortised. Equal members leave in no particular order. A member derives from HeapNode<Tag> and must
/// leave its heap before it dies (asserted), and before its order among the others changes.
///
///          least                 Each member points to its first child and its next sibling; `previous` is the
///         / |                    sibling before it, or its parent if it is the first child. No child is less than
///        b  c  d                 its parent.
#pragma once

#include "base/assert.hpp"

namespace base {

template <typename Tag> class HeapNode {
  public:
    HeapNode() = default;
    HeapNode(HeapNode const&) = delete;
    HeapNode& operator=(HeapNode const&) = delete;
    ~HeapNode() { ASSERT(!in_heap_); }

    [[nodiscard]] bool in_heap() const { return in_heap_; }

  private:
    template <typename T, typename U, typename Less> friend class PairingHeap;
    HeapNode* child_ = nullptr;
    HeapNode* next_ = nullptr;
    HeapNode* previous_ = nullptr;
    bool in_heap_ = false;
};

template <typename T, typename Tag, typename Less> class PairingHeap {
    using Node = HeapNode<Tag>;

  public:
    PairingHeap() = default;
    PairingHeap(PairingHeap const&) = delete;
    PairingHeap& operator=(PairingHeap const&) = delete;
    ~PairingHeap() { ASSERT(empty()); }

    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    /// The least member; null if there is none.
    [[nodiscard]] T* least() const { return root_ == nullptr ? nullptr : item(root_); }

    void insert(T& member) {
        Node& node = member;
        ASSERT(!node.in_heap_);
        node.in_heap_ = true;
        root_ = root_ == nullptr ? &node : meld(root_, &node);
    }

    void remove(T& member) {
        Node& node = member;
        ASSERT(node.in_heap_);
        if (&node == root_) {
            root_ = meld_all(node.child_);
        } else {
            cut(node);
            if (Node* const orphans = meld_all(node.child_); orphans != nullptr)
                root_ = meld(root_, orphans);
        }
        node.child_ = nullptr;
        node.in_heap_ = false;
    }

    /// A member for which @p wanted holds, the least first where that is cheap: parents are asked before their
    /// children. Null if there is none. Looks at every member in the worst case.
    template <typename Wanted> [[nodiscard]] T* find(Wanted&& wanted) const {
        for (Node* node = root_; node != nullptr; node = successor(node))
            if (wanted(*item(node)))
                return item(node);
        return nullptr;
    }

  private:
    static T* item(Node* node) { return static_cast<T*>(node); }

    /// Makes the greater of two trees the first child of the other.
    static Node* meld(Node* a, Node* b) {
        if (Less{}(*item(b), *item(a))) {
            Node* const lesser = b;
            b = a;
            a = lesser;
        }
        b->previous_ = a;
        b->next_ = a->child_;
        if (a->child_ != nullptr)
            a->child_->previous_ = b;
        a->child_ = b;
        return a;
    }

    /// One tree of the siblings from @p first on: melded in pairs from left to right, the pairs from right to left.
    /// Loops instead of recursion, since a hypervisor's stack is small.
    static Node* meld_all(Node* first) {
        Node* pairs = nullptr; // a stack, linked through next_
        while (first != nullptr) {
            Node* const a = first;
            Node* const b = a->next_;
            first = b == nullptr ? nullptr : b->next_;
            detach(*a);
            Node* pair = a;
            if (b != nullptr) {
                detach(*b);
                pair = meld(a, b);
            }
            pair->next_ = pairs;
            pairs = pair;
        }
        Node* root = nullptr;
        while (pairs != nullptr) {
            Node* const pair = pairs;
            pairs = pair->next_;
            detach(*pair);
            root = root == nullptr ? pair : meld(root, pair);
        }
        return root;
    }

    static void detach(Node& node) {
        node.next_ = nullptr;
        node.previous_ = nullptr;
    }

    static void cut(Node& node) {
        if (node.previous_->child_ == &node)
            node.previous_->child_ = node.next_;
        else
            node.previous_->next_ = node.next_;
        if (node.next_ != nullptr)
            node.next_->previous_ = node.previous_;
        detach(node);
    }

    /// The next member in preorder.
    static Node* successor(Node* node) {
        if (node->child_ != nullptr)
            return node->child_;
        while (node != nullptr && node->next_ == nullptr)
            node = parent(node);
        return node == nullptr ? nullptr : node->next_;
    }
    static Node* parent(Node* node) {
        while (node->previous_ != nullptr && node->previous_->child_ != node)
            node = node->previous_;
        return node->previous_;
    }

    Node* root_ = nullptr;
};

} // namespace base
