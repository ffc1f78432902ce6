/// Intrusive doubly-linked list: the links live in the members, so that nothing is ever allocated.
///
/// A member derives from ListNode<Tag>; with several tags it can be in several lists at once. A list does not own
/// its members. A member must leave its list before it dies (asserted).
#pragma once

#include "base/assert.hpp"

namespace base {

template <typename Tag> class ListNode {
  public:
    ListNode() = default;
    ListNode(ListNode const&) = delete;
    ListNode& operator=(ListNode const&) = delete;
    ~ListNode() { ASSERT(!linked()); }

    [[nodiscard]] bool linked() const { return next_ != nullptr; }

  private:
    template <typename T, typename U> friend class List;
    ListNode* next_ = nullptr;
    ListNode* previous_ = nullptr;
};

template <typename T, typename Tag> class List {
    using Node = ListNode<Tag>;

  public:
    List() {
        head_.next_ = &head_;
        head_.previous_ = &head_;
    }
    List(List const&) = delete;
    List& operator=(List const&) = delete;
    ~List() {
        ASSERT(empty());
        head_.next_ = nullptr;
        head_.previous_ = nullptr;
    }

    [[nodiscard]] bool empty() const { return head_.next_ == &head_; }
    [[nodiscard]] T* front() { return empty() ? nullptr : item(head_.next_); }

    void push_back(T& member) { link(member, head_.previous_, &head_); }
    void push_front(T& member) { link(member, &head_, head_.next_); }

    /// Puts @p member before @p next, a member of this list, or at the end if null.
    void insert_before(T* next, T& member) {
        Node* const after = next == nullptr ? &head_ : static_cast<Node*>(next);
        link(member, after->previous_, after);
    }

    void remove(T& member) {
        Node& node = member;
        ASSERT(node.linked());
        node.previous_->next_ = node.next_;
        node.next_->previous_ = node.previous_;
        node.next_ = nullptr;
        node.previous_ = nullptr;
    }

    T* pop_front() {
        T* const first = front();
        if (first != nullptr)
            remove(*first);
        return first;
    }

    /// The member after @p member; null at the end.
    T* next(T& member) {
        Node* const after = static_cast<Node&>(member).next_;
        return after == &head_ ? nullptr : item(after);
    }

  private:
    static T* item(Node* node) { return static_cast<T*>(node); }
    void link(T& member, Node* before, Node* after) {
        Node& node = member;
        ASSERT(!node.linked());
        node.previous_ = before;
        node.next_ = after;
        before->next_ = &node;
        after->previous_ = &node;
    }

    Node head_;
};

} // namespace base
